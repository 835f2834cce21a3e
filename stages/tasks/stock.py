"""lm-eval's own task definitions, pointed at our copies of their items.

The definition is the YAML file of the installed package with all it includes: prompt, choices,
target and metrics stay lm-eval's. Only where the items come from is overridden, in code, because
``include:`` finds files beside a YAML or by absolute path alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..common.errors import BAD_CONFIG, UserError

XCOPA = ("et", "ht", "id", "it", "qu", "sw", "ta", "th", "tr", "vi", "zh")
MGSM = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
BBH = ("boolean_expressions", "causal_judgement", "date_understanding", "formal_fallacies",
       "logical_deduction_three_objects", "navigate", "object_counting", "sports_understanding",
       "temporal_sequences", "web_of_lies")
# Stock task: its file below lm_eval/tasks.
PATHS = {
    "arc_easy": "arc/arc_easy.yaml",
    "arc_challenge": "arc/arc_challenge.yaml",
    "piqa": "piqa/piqa.yaml",
    "openbookqa": "openbookqa/openbookqa.yaml",
    "copa": "super_glue/copa/default.yaml",
    "boolq": "super_glue/boolq/default.yaml",
    "winogrande": "winogrande/default.yaml",
    "lambada_openai": "lambada/lambada_openai.yaml",
    "gsm8k_cot": "gsm8k/gsm8k-cot.yaml",
    "gsm8k_cot_zeroshot": "gsm8k/gsm8k-cot-zeroshot.yaml",
    **{f"xcopa_{language}": f"xcopa/default_{language}.yaml" for language in XCOPA},
    **{f"mgsm_direct_{language}": f"mgsm/direct/mgsm_direct_{language}.yaml" for language in MGSM},
    **{f"leaderboard_bbh_{task}": f"leaderboard/bbh_mc/{task}.yaml" for task in BBH},
}
# Ours, for sets that no stock task fits: {question, choices, gold} as BIG-bench's items become,
# {query, choices, gold} and {context, continuation}.
OWN: dict[str, dict[str, Any]] = {
    "question": {"output_type": "multiple_choice", "doc_to_text": "{{question}}\nAnswer:",
                 "doc_to_choice": "choices", "doc_to_target": "gold",
                 "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
                 "metadata": {"version": 1.0}},
    "choices": {"output_type": "multiple_choice", "doc_to_text": "{{query}}",
                "doc_to_choice": "choices", "doc_to_target": "gold",
                "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
                "metadata": {"version": 1.0}},
    "continuation": {"output_type": "loglikelihood", "doc_to_text": "{{context}}",
                     "doc_to_target": "{{' ' + continuation}}", "target_delimiter": "",
                     "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}],
                     "metadata": {"version": 1.0}},
}


def task(stock: str, file: Path, name: str | None = None) -> dict[str, Any]:
    """Definition for ``simple_evaluate(tasks=[...])``: a stock or own task on the rows of ``file``.

    ``name`` replaces the task's own. The file is its only split, so its solved examples, if any,
    are those that its YAML holds.
    """
    if stock in OWN:
        found = dict(OWN[stock])
    elif stock in PATHS:
        import lm_eval
        from lm_eval.tasks._yaml_loader import load_yaml

        found = load_yaml(Path(lm_eval.__file__).parent / "tasks" / PATHS[stock])
    else:
        raise UserError(f"params.yaml: stock: {stock!r} is not one of "
                        f"{', '.join([*OWN, *PATHS])}", BAD_CONFIG)
    for key in ("tag", "training_split", "validation_split", "fewshot_split"):
        found.pop(key, None)  # a split that is named but absent ends in a KeyError
    return found | {"task": name or stock, "dataset_path": "json", "dataset_name": None,
                    "dataset_kwargs": {"data_files": {"test": str(file)}}, "test_split": "test",
                    "should_decontaminate": False}
