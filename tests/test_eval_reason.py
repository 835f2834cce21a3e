"""Items through the real lm-eval, on the tiny model."""

import json

import pytest
import torch

from stages import eval_reason
from stages.common import jsonl
from stages.common.errors import UserError
from stages.decoding.items import choices_of, guesses, item_rows
from stages.model import weights
from stages.tasks import items
from tests import stage_fixture

ITEMS = [{"id": n, "question": f"What is number {n}?", "choices": ["a cat", "bread", f"it is {n}"],
          "gold": n % 3} for n in range(12)]
SHARE = 1 / 3


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with jsonl.writer("data/download/items/physics.jsonl") as write:
        for item in ITEMS:
            write(item)


def likelihood(network, tokenizer, question, choice):
    """Summed log-probability of the choice, one plain forward pass."""
    prompt = tokenizer(f"{question}\nAnswer:")["input_ids"]
    answer = tokenizer(f"{question}\nAnswer: {choice}")["input_ids"][len(prompt):]
    ids = torch.tensor([prompt + answer])
    logs = network(ids).logits[0].log_softmax(-1)
    return sum(float(logs[len(prompt) + i - 1, token]) for i, token in enumerate(answer))


@pytest.mark.parametrize("metric", ["acc", "acc_norm"])
def test_rows_equal_an_independent_forward_pass(workspace, tiny_model, metric):
    network, tokenizer = weights.load(tiny_model)
    [rows] = eval_reason.evaluate(network, tokenizer, {"physics": {"metric": metric}},
                                  screen=SHARE, limit=6, batch=30, seed=1).values()
    assert len(rows) == 6
    assert [row["doc_id"] for row in rows] == sorted(row["doc_id"] for row in rows)
    for row in rows:
        item = ITEMS[row["doc_id"]]
        logs = [likelihood(network, tokenizer, item["question"], choice)
                for choice in item["choices"]]
        scores = [log / (len(choice) if metric == "acc_norm" else 1)
                  for log, choice in zip(logs, item["choices"], strict=True)]
        best = max(range(3), key=scores.__getitem__)
        assert (row["pred"], row["gold"], row["n_choices"]) == (best, item["gold"], 3)
        assert row["score"] == float(best == item["gold"])
        assert row["loglik"] == pytest.approx(logs, abs=2e-4)
        assert row["chars"] == [len(choice) for choice in item["choices"]]
        assert row["guess"]["first"] == (item["gold"] == 0)
        assert row["guess"]["last"] == (item["gold"] == 2)
        assert (row["filter"], row["metric"], row["cluster"]) == (
            "none", metric, str(row["doc_id"]))
        assert not {"question", "choices", "doc"} & set(row)


def test_the_stage_writes_what_carries_the_verdict(workspace, tmp_path, tiny_model):
    stage_fixture.params(
        tmp_path, 6, recipe={
            "systems": {"base": {"base": str(tiny_model), "weights": str(tiny_model),
                                 "parent": str(tiny_model), "shots": 0, "system": None,
                                 "dtype": "float32", "derive": None}},
            "suites": {"s": {"eval_reason": {
                "tasks": {"physics": {"metric": "acc", "carries": True}},
                "screen": {"share": SHARE}, "items": 5, "batch": 64, "engine": "hf"}}}},
        offline=True)
    eval_reason.main(["base", "out"])
    rows, meta = list(jsonl.read("out/items.jsonl")), json.loads(
        (tmp_path / "out/meta.json").read_text())
    assert len(rows) == 5
    assert meta["tasks"]["physics"] == {
        "version": "1.0", "metric": "acc", "carries": True, "n": 5, "n_total": 12,
        "chance": pytest.approx(1 / 3), "multilingual": False}
    assert meta["limit"] == 5


def test_acc_norm_divides_by_the_characters_of_the_choice():
    """The long choice wins by character, the short one by sum."""
    sample = {"doc": {"id": 7}, "arguments": [("q", " ab"), ("q", " abcdefgh")], "target": 1,
              "filter": "none", "filtered_resps": [(-2.0, False), (-4.00004, False)], "acc": 0.0,
              "acc_norm": 1.0, "doc_hash": "d" * 64, "prompt_hash": "p" * 64,
              "target_hash": "t" * 64}
    [[summed], [mean]] = (item_rows("x", metric, "1", [sample]) for metric in ("acc", "acc_norm"))
    assert (summed["pred"], summed["score"]) == (0, 0.0)
    assert (mean["pred"], mean["score"]) == (1, 1.0)
    assert mean["loglik"] == [-2.0, -4.0]
    assert mean["chars"] == [2, 8]


def test_what_screens_a_task_never_tests_it(tmp_path):
    file = tmp_path / "x.jsonl"
    with jsonl.writer(file) as write:
        for n in range(3000):
            write({"id": n})
    screening, tested = items.screening(file, SHARE, 5000), items.tested(file, SHARE, 5000)
    assert sorted(screening + tested) == list(range(3000))
    assert len(screening) == pytest.approx(1000, abs=80)
    assert set(items.tested(file, SHARE, 100)) < set(tested)
    assert set(items.screening(file, SHARE, 100)) < set(screening)


def test_the_choice_of_items_does_not_depend_on_file_order(tmp_path):
    chosen = []
    for order in (ITEMS, ITEMS[::-1]):
        file = tmp_path / f"{len(chosen)}.jsonl"
        with jsonl.writer(file) as write:
            for item in order:
                write(item)
        chosen.append({order[row]["id"] for row in items.tested(file, SHARE, 5)})
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 5


def test_guesses_never_read_the_question():
    """"yes" is right in two items: elsewhere in one of them for an item where it is right."""
    asked = [(["yes", "no", "perhaps"], 0), (["no", "yes", "perhaps"], 1),
             (["no", "sometimes", "yes"], 0), (["blue", "red", "green"], 2)]
    hits = {rule: [guess[rule] for guess in guesses(asked)]
            for rule in ("first", "last", "shortest", "longest", "frequent")}
    assert hits == {"first": [True, False, True, False], "last": [False, False, False, True],
                    "shortest": [False, False, True, False], "longest": [False] * 3 + [True],
                    "frequent": [True, False, False, False]}


def test_an_item_without_choices_has_none():
    generated = {"target": "42", "arguments": [("How many?", {"until": ["\n"]})]}
    continued = {"target": " end", "arguments": [("To the", " end")]}
    assert choices_of(generated) == choices_of(continued) == []
    assert choices_of({"target": 0, "arguments": [("q", " a"), ("q", " b c")]}) == ["a", "b c"]


def sample(target, arguments, logs, acc):
    return {"doc": {"id": 7}, "arguments": arguments, "target": target, "filter": "none",
            "filtered_resps": [(log, False) for log in logs], "acc": acc, "doc_hash": "d" * 64,
            "prompt_hash": "p" * 64, "target_hash": "t" * 64}


@pytest.mark.parametrize(("solved", "gold"), [(1.0, 1), (0.0, 0)])
def test_choices_that_stand_before_the_same_words(solved, gold):
    """WinoGrande: the contexts differ, and lm-eval returns the words that all continue with."""
    asked = [("Ann ate as Ann", " was hungry."), ("Ann ate as the bread", " was hungry.")]
    [row] = item_rows("x", "acc", "1", [sample("was hungry.", asked, [-3.0, -2.0], solved)])
    assert (row["n_choices"], row["pred"], row["gold"]) == (2, 1, gold)
    assert row["guess"] == {"first": gold == 0, "last": gold == 1, "shortest": gold == 0,
                            "longest": gold == 1, "frequent": gold == 0}
    with pytest.raises(UserError, match="7: which of 3 choices is right"):
        item_rows("x", "acc", "1", [sample("was hungry.", [*asked, ("z", " was hungry.")],
                                           [-3.0, -2.0, -4.0], solved)])


def test_a_right_choice_that_is_named_by_its_text():
    """COPA: lm-eval returns the text of the right choice."""
    asked = [("It rained, so", " we stayed."), ("It rained, so", " we left.")]
    [row] = item_rows("x", "acc", "1", [sample("we left.", asked, [-3.0, -4.0], 0.0)])
    assert (row["pred"], row["gold"]) == (0, 1)
