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
BELEBELE = ("arb_Arab", "ben_Beng", "ces_Latn", "deu_Latn", "eng_Latn", "fra_Latn", "hin_Deva",
            "hun_Latn", "jpn_Jpan", "kor_Hang", "rus_Cyrl", "spa_Latn", "srp_Cyrl", "swh_Latn",
            "tel_Telu", "tha_Thai", "tur_Latn", "vie_Latn", "zho_Hans")
STORIES = ("ar", "en", "es", "eu", "hi", "id", "my", "ru", "sw", "te", "zh")
XNLI = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
WINOGRAD = ("en", "fr", "jp", "pt", "ru", "zh")
PAWS = ("de", "en", "es", "fr", "ja", "ko", "zh")
MMLU_PRO = ("biology", "business", "chemistry", "computer_science", "economics", "engineering",
            "health", "history", "law", "math", "other", "philosophy", "physics", "psychology")
MUSR = ("murder_mysteries", "object_placements", "team_allocation")
# Stock task: its file below lm_eval/tasks.
PATHS = {
    "hellaswag": "hellaswag/hellaswag.yaml",
    "commonsense_qa": "commonsense_qa/default.yaml",
    "logiqa2": "logiqa2/logiqa2.yaml",
    "hendrycks_math500": "hendrycks_math/hendrycks_math500.yaml",
    "aime25": "aime/aime25.yaml",
    "gpqa_diamond_cot_zeroshot": "gpqa/cot_zeroshot/gpqa_diamond_cot_zeroshot.yaml",
    "ifeval": "ifeval/ifeval.yaml",
    **{f"mmlu_pro_{subject}": f"mmlu_pro/mmlu_pro_{subject}.yaml" for subject in MMLU_PRO},
    **{f"leaderboard_musr_{kind}": f"leaderboard/musr/musr_{kind}.yaml" for kind in MUSR},
    **{f"belebele_{language}": f"belebele/belebele_{language}.yaml" for language in BELEBELE},
    **{f"xstorycloze_{language}": f"xstorycloze/default_{language}.yaml" for language in STORIES},
    **{f"xnli_{language}": f"xnli/xnli_{language}.yaml" for language in XNLI},
    **{f"xwinograd_{language}": f"xwinograd/xwinograd_{language}.yaml" for language in WINOGRAD},
    **{f"paws_{language}": f"paws-x/paws_{language}.yaml" for language in PAWS},
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


def parts(task: str, about: dict[str, Any]) -> dict[str, str]:
    """{task of lm-eval: stock task} behind a task of params.yaml: one, or one a part or language.

    Questions of several ``languages`` are translations of each other by id, those of several
    ``parts`` are not.
    """
    stock = about.get("stock", "question")
    several = about.get("languages") or about.get("parts")
    return {f"{task}_{part}": f"{stock}_{part}" for part in several} if several else {task: stock}


def definition(stock: str) -> dict[str, Any]:
    """A stock task as the installed lm-eval defines it, or one of ours."""
    if stock in OWN:
        return dict(OWN[stock])
    if stock in PATHS:
        import lm_eval
        from lm_eval.tasks._yaml_loader import load_yaml

        try:
            found: dict[str, Any] = load_yaml(
                Path(lm_eval.__file__).parent / "tasks" / PATHS[stock])
        except ModuleNotFoundError as error:
            raise UserError(f"{stock}: lm-eval's task needs the package {error.name}, which is no "
                            f"part of this environment. Install lm-eval[{stock}], or take the task "
                            "out of params.yaml", BAD_CONFIG) from error
        return found
    raise UserError(f"params.yaml: stock: {stock!r} is not one of {', '.join([*OWN, *PATHS])}",
                    BAD_CONFIG)


def task(stock: str, file: Path, name: str | None = None, shots: int | None = None,
         tokens: int | None = None) -> dict[str, Any]:
    """Definition for ``simple_evaluate(tasks=[...])``: a stock or own task on the rows of ``file``.

    ``name`` replaces the task's own. The file is its only split, so its solved examples, if any,
    are those that its YAML holds; a task that takes them from another split needs ``shots: 0``.
    ``tokens`` bounds what is generated, if lm-eval's own bound is not to.
    """
    found = definition(stock)
    for key in ("tag", "training_split", "validation_split", "fewshot_split"):
        found.pop(key, None)  # a split that is named but absent ends in a KeyError
    return found | {"task": name or stock, "dataset_path": "json", "dataset_name": None,
                    "dataset_kwargs": {"data_files": {"test": str(file)}}, "test_split": "test",
                    "should_decontaminate": False} | (
                        {} if shots is None else {"num_fewshot": shots}) | (
                        {} if tokens is None else {"generation_kwargs": {
                            **found["generation_kwargs"], "max_gen_toks": tokens}})
