"""Every name that a suite mentions exists: tasks, metrics and filters in the installed lm-eval,
languages, protocols, engines and neural metrics in this project's tables."""

from pathlib import Path

import lm_eval
import pytest
from ruamel.yaml import YAML

from stages.comet import checkpoints
from stages.common import languages
from stages.common.errors import UserError
from stages.decoding import engines
from stages.model import protocols
from stages.rows.segments import LEXICAL
from stages.tasks import stock

PARAMS = YAML(typ="safe").load((Path(__file__).parents[2] / "params.yaml").read_text())
TASKS = [(suite, task, about) for suite, block in PARAMS["suites"].items()
         for task, about in block["eval_reason"]["tasks"].items()]
PAPER = PARAMS["suites"]["paper"]["eval_reason"]["tasks"]


@pytest.mark.parametrize(("suite", "task", "about"), TASKS, ids=[f"{s}.{t}" for s, t, _ in TASKS])
def test_task_metric_and_filter_are_lm_evals(suite, task, about):
    if task == "ifeval":  # checks its answers with packages that are no part of the environment
        file = Path(lm_eval.__file__).parent / "tasks" / stock.PATHS["ifeval"]
        assert f"metric: {about['metric']}" in file.read_text()
        try:
            stock.definition("ifeval")
        except UserError as error:
            assert "Install lm-eval[ifeval]" in str(error)
            return
    for name, asked in stock.parts(task, about).items():
        found = stock.task(asked, Path("x.jsonl"), name, about.get("shots"))
        assert found["task"] == name
        assert about["metric"] in [one["metric"] for one in found["metric_list"]], asked
        ways = [way["name"] for way in found.get("filter_list") or [] if "name" in way]
        assert about.get("filter") in (ways if len(ways) > 1 else [None, *ways]), asked
        if found.get("num_fewshot"):  # its solved examples have to be those of the file itself
            assert found.get("fewshot_config", {}).get("samples"), asked
        generated = found["output_type"] == "generate_until"
        assert generated or not about.get("chat"), "likelihoods have no chat"


def test_fifteen_and_seven():
    assert sum(not about.get("multilingual", False) for about in PAPER.values()) == 15
    assert sum(about.get("multilingual", False) for about in PAPER.values()) == 7


@pytest.mark.parametrize("suite", PARAMS["suites"])
def test_names_of_translation(suite):
    block = PARAMS["suites"][suite]
    about = block["eval_mt"]
    protocols.length(about["protocol"], about["max_new_tokens"])
    assert {about["engine"], block["eval_reason"]["engine"]} <= set(engines.ENGINES)
    for code in (*(about["languages"] or []), *about["pivots"]):
        assert code in languages.TABLE
    assert set(about["pivots"]) <= {*(about["languages"] or []), languages.PIVOT}
    assert set(block["metrics"]) <= set(LEXICAL)
    assert block["primary_metric"] in block["metrics"]
    for metric in block["download"]["judges"].get("metrics", []):
        assert metric in checkpoints.METRICS


def test_ids_that_nobody_saw_are_in_no_lock():
    import json

    lock = json.loads((Path(__file__).parents[2] / "data/sources.lock").read_text())
    assert "paper" not in lock["suites"]
    entries = [entry for of, assets in lock.items() if of != "suites" for entry in assets.values()]
    named = [entry for entry in entries if entry["source"] in checkpoints.METRICS]
    assert named and not any(entry["files"] for entry in named)  # a name and a licence, no hash


def test_parts_and_languages():
    assert stock.parts("x", {"stock": "piqa"}) == {"x": "piqa"}
    assert stock.parts("x", {}) == {"x": "question"}
    assert stock.parts("m", {"stock": "mgsm_direct", "languages": ["sw", "en"]}) == {
        "m_sw": "mgsm_direct_sw", "m_en": "mgsm_direct_en"}
    with pytest.raises(UserError, match="stock: 'nonsense' is not one of"):
        stock.definition("nonsense")
