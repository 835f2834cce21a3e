"""Items of standard sets: what lm-eval's stock task makes of ours is what it makes of the hub's.

Each item stands here twice, self-written: as a repository (llm-foundry, MGSM, BIG-Bench Hard, ...)
holds it, and as the hub's data set does, which the stock task was written for.
"""

import json
import shutil
from importlib.util import find_spec

import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert.items import standard
from stages.tasks import stock

FOUR = ["wool", "iron", "clay", "glass"]
# stock task: (form, row of the repository, row of the hub)
PAIRS = {
    "arc_easy": ("arc", {
        "query": "Question: Which of these rusts?", "choices": FOUR, "gold": 1}, {
        "id": "X_1", "question": "Which of these rusts?", "answerKey": "B",
        "choices": {"text": FOUR, "label": ["A", "B", "C", "D"]}}),
    # Three options on the hub, four in the repository: one stands twice there.
    "arc_challenge": ("arc", {
        "query": "Question: Ice is", "choices": ["gas", "liquid", "gas", "solid"], "gold": 3}, {
        "id": "X_2", "question": "Ice is", "answerKey": "3",
        "choices": {"text": ["gas", "liquid", "solid"], "label": ["1", "2", "3"]}}),
    "openbookqa": ("openbookqa", {
        "query": "A sheep gives", "choices": FOUR, "gold": 0}, {
        "id": "7-1", "question_stem": "A sheep gives", "answerKey": "A",
        "choices": {"text": FOUR, "label": ["A", "B", "C", "D"]}}),
    "piqa": ("piqa", {
        "query": "Question: How do I dry a shirt?\n", "choices": ["Hang it up.", "Soak it."],
        "gold": 0}, {
        "goal": "How do I dry a shirt?", "sol1": "Hang it up.", "sol2": "Soak it.", "label": 0}),
    "copa": ("copa", {
        "query": "The girl, tired, lay down, because", "gold": 1,
        "choices": ["she woke up.", "i sang her to sleep."]}, {
        "premise": "The girl, tired, lay down.", "choice1": "She woke up.",
        "choice2": "I sang her to sleep.", "question": "cause", "idx": 0, "label": 1}),
    "boolq": ("boolq", {
        "query": "Passage: Tea is hot.\nQuestion: who knows?\nNobody.\nQuestion: is tea cold?",
        "choices": ["no", "yes"], "gold": 0}, {
        "passage": "Tea is hot.\nQuestion: who knows?\nNobody.", "question": "is tea cold",
        "idx": 0, "label": 0}),
    "winogrande": ("winogrande", {
        "context_options": ["Ann rang Eve, so Ann", "Ann rang Eve, so Eve"],
        "continuation": "picked up.", "gold": 1}, {
        "sentence": "Ann rang Eve, so _ picked up.", "option1": "Ann", "option2": "Eve",
        "answer": "2"}),
    "lambada_openai": ("lambada", {
        "context": "“Stop!” he said.\n\nShe would not", "continuation": "stop"}, {
        "text": "“Stop!” he said.\n\nShe would not stop"}),
    "xcopa_sw": ("rows", *[{
        "premise": "Mvua ilinyesha.", "choice1": "Nilikauka.", "choice2": "Nililowa.",
        "question": "effect", "label": 1, "idx": 0, "changed": False}] * 2),
    "mgsm_direct_sw": ("mgsm", {"question": "Mayai 2,000 na 125 ni mangapi?", "answer": "2,125"}, {
        "question": "Mayai 2,000 na 125 ni mangapi?", "answer": None, "answer_number": 2125,
        "equation_solution": None}),
    "gsm8k_cot": ("rows", *[{"question": "2 + 2?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}] * 2),
    "leaderboard_bbh_navigate": ("rows", *[{
        "input": "Turn around. Do you return?\nOptions:\n- Yes\n- No", "target": "Yes"}] * 2),
}


def write(file, rows):
    file.parent.mkdir(parents=True, exist_ok=True)
    with jsonl.writer(file) as put:
        for row in rows:
            put(row)
    return file


def asked(task, file, monkeypatch, cache):
    """What the model would be asked and what counts as right, item by item."""
    import datasets
    from lm_eval.api.task import ConfigurableTask

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    shutil.rmtree(cache, ignore_errors=True)
    task = ConfigurableTask(config=stock.task(task, file))
    task.set_fewshot_seed(1)
    found = []
    for doc in task.test_docs():
        context = task.fewshot_context(doc, task.config.num_fewshot or 0)
        requests = task.construct_requests(doc, context, metadata=("t", 0, 1))
        requests = requests if isinstance(requests, list) else [requests]
        target, choices = task.doc_to_target(doc), task.config.doc_to_choice
        found.append(([request.arguments for request in requests], task.doc_to_text(doc), target,
                      task.doc_to_choice(doc) if choices else None))
    return found


@pytest.mark.parametrize("name", PAIRS)
def test_stock_task_asks_the_same_as_of_the_hub(name, tmp_path, monkeypatch):
    form, ours, hub = PAIRS[name]
    if form == "mgsm":
        (tmp_path / "in.tsv").write_text(f"{ours['question']}\t{ours['answer']}\n" * 2)
        file = tmp_path / "in.tsv"
    elif name.startswith("leaderboard"):
        (tmp_path / "in.json").write_text(json.dumps({"canary": "x", "examples": [ours, ours]}))
        file = tmp_path / "in.json"
    else:
        file = write(tmp_path / "in.jsonl", [ours, ours])
    standard.prepare({f"host/d/{file.name}": file}, tmp_path / "out",
                     {name: {"form": form, "file": file.name}})
    mine = asked(name, tmp_path / f"out/{name}.jsonl", monkeypatch, tmp_path / "a")
    assert mine == asked(name, write(tmp_path / "hub.jsonl", [hub, hub]), monkeypatch,
                         tmp_path / "b")
    assert len(mine) == 2
    assert [row["id"] for row in jsonl.read(tmp_path / f"out/{name}.jsonl")] == [0, 1]


def test_what_is_asked_is_what_one_reads():
    """Two of the comparisons above by hand, so that both sides cannot be wrong alike."""
    row = standard.winogrande(PAIRS["winogrande"][1])
    assert row == {"sentence": "_ picked up.", "option1": "Ann rang Eve, so Ann",
                   "option2": "Ann rang Eve, so Eve", "answer": "2"}
    assert standard.copa(PAIRS["copa"][1])["premise"] == "The girl, tired, lay down."
    assert standard.arc(PAIRS["arc_challenge"][1]) == {
        "question": "Ice is", "answerKey": "C",
        "choices": {"text": ["gas", "liquid", "solid"], "label": ["A", "B", "C"]}}


@pytest.mark.parametrize(("form", "row", "context", "answers"), [
    ("choices", {"query": "Q: Is it?\nAnswer: ", "choices": ["yes", "no"], "gold": 1},
     "Q: Is it?\nAnswer:", [" yes", " no"]),
    ("choices", {"query": "Which?\nChoices: A. x\nB. y\n", "choices": ["A", "B"], "gold": 0},
     "Which?\nChoices: A. x\nB. y\nAnswer:", [" A", " B"]),
    ("continuation", {"context": "The capital of Chad is", "continuation": "N'Djamena"},
     "The capital of Chad is", [" N'Djamena"])])
def test_sets_without_a_stock_task(form, row, context, answers, tmp_path, monkeypatch):
    file = write(tmp_path / "x.jsonl", [row])
    standard.prepare({"h/x.jsonl": file}, tmp_path, {"y": {"form": form, "file": "x.jsonl"}})
    [(requests, *_)] = asked(form, tmp_path / "y.jsonl", monkeypatch, tmp_path / "c")
    assert requests == [(context, answer) for answer in answers]


def test_a_task_may_have_a_name_of_its_own(tmp_path):
    assert stock.task("boolq", tmp_path / "f", "boolq_foundry")["task"] == "boolq_foundry"
    assert stock.task("boolq", tmp_path / "f")["task"] == "boolq"
    assert stock.task("choices", tmp_path / "f") is not stock.OWN["choices"]
    with pytest.raises(UserError, match="stock: 'nonsense' is not one of "):
        stock.task("nonsense", tmp_path / "f")


def test_every_stock_task_is_in_the_installed_package_and_reads_our_file_alone(tmp_path):
    for name in stock.PATHS:
        if name == "ifeval" and find_spec("langdetect") is None:  # refused with the remedy
            with pytest.raises(UserError, match="needs the package langdetect"):
                stock.task(name, tmp_path / "f")
            continue
        found = stock.task(name, tmp_path / "f")
        assert found["task"] == name
        assert found["dataset_kwargs"] == {"data_files": {"test": str(tmp_path / "f")}}
        assert {key: value for key, value in found.items() if "split" in key} == {
            "test_split": "test"}
        assert {"include", "tag"}.isdisjoint(found)


def test_repeated_choices_are_counted(tmp_path):
    _, ours, _ = PAIRS["arc_challenge"]
    file = write(tmp_path / "a.jsonl", [ours, PAIRS["arc_easy"][1]])
    standard.prepare({"h/a.jsonl": file}, tmp_path, {"arc": {"form": "arc", "file": "a.jsonl"}})
    assert json.loads((tmp_path / "stats.json").read_text()) == {
        "arc": {"seen": 2, "kept": 2, "repeated_choice": 1}}


@pytest.mark.parametrize(("form", "row"), [
    ("arc", {"query": "Which?", "choices": FOUR, "gold": 1}),
    ("arc", {"query": "Question: Which?", "choices": FOUR, "gold": 7}),
    ("winogrande", {"context_options": ["a", "b"], "continuation": "c", "gold": -1}),
    ("arc", {"context": "x", "continuation": "y"}),
    ("boolq", {"query": "Passage: a\nQuestion: b", "choices": ["no", "yes"], "gold": 0}),
    ("boolq", {"query": "Passage: a\nQuestion: b?", "choices": ["yes", "no"], "gold": 0}),
    ("copa", {"query": "It rained, and", "choices": ["a", "b"], "gold": 0}),
    ("piqa", {"query": "Question: x\n", "choices": ["a", "b", "c"], "gold": 0}),
])
def test_a_row_of_another_form_is_named(tmp_path, form, row):
    good = next(ours for kind, ours, _ in PAIRS.values() if kind == form)
    file = write(tmp_path / "a.jsonl", [good, row])
    with pytest.raises(UserError, match=rf"a\.jsonl: row 2: not of the form '{form}'"):
        standard.prepare({"h/a.jsonl": file}, tmp_path, {"x": {"form": form, "file": "a.jsonl"}})
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize(("chosen", "says"), [
    ({"form": "arc", "file": "b.jsonl"}, "0 files of the source end in 'b.jsonl'"),
    ({"form": "arc", "file": "a.jsonl"}, "2 files of the source end in 'a.jsonl'"),
    ({"form": "x", "file": "e/a.jsonl"}, "form 'x' is not one of arc")])
def test_a_wrong_entry_of_params_is_named(tmp_path, chosen, says):
    file = write(tmp_path / "a.jsonl", [PAIRS["arc_easy"][1]])
    with pytest.raises(UserError, match=f"params.yaml: s: {says}"):
        standard.prepare({"h/d/a.jsonl": file, "h/e/a.jsonl": file}, tmp_path, {"s": chosen})
