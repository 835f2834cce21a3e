"""Items through the real lm-eval, on the tiny model."""

import pytest
import torch

from stages import eval_reason
from stages.common import jsonl
from stages.model import weights

ITEMS = [{"id": n, "question": f"What is number {n}?", "choices": ["a cat", "bread", f"it is {n}"],
          "gold": n % 3} for n in range(12)]


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
def test_predictions_equal_an_independent_forward_pass(workspace, tiny_model, metric):
    network, tokenizer = weights.load(tiny_model)
    rows = eval_reason.evaluate(network, tokenizer, eval_reason.TASKS / "desk", {"physics": metric},
                                limit=8, batch=3, seed=1)
    assert len(rows) == 8
    assert [row["doc_id"] for row in rows] == sorted(row["doc_id"] for row in rows)
    for row in rows:
        item = ITEMS[row["doc_id"]]
        scores = [likelihood(network, tokenizer, item["question"], choice)
                  / (len(choice) if metric == "acc_norm" else 1) for choice in item["choices"]]
        best = max(range(3), key=scores.__getitem__)
        assert (row["pred"], row["gold"], row["n_choices"]) == (best, item["gold"], 3)
        assert row["score"] == float(best == item["gold"])
        assert (row["filter"], row["metric"], row["cluster"]) == (
            "none", metric, str(row["doc_id"]))


def test_the_choice_of_items_does_not_depend_on_file_order(tmp_path):
    names = []
    for order in (ITEMS, ITEMS[::-1]):
        file = tmp_path / f"{len(names)}.jsonl"
        with jsonl.writer(file) as write:
            for item in order:
                write(item)
        names.append({order[position]["question"]
                      for position in eval_reason.choose_items(file, 5)})
    assert names[0] == names[1]
    assert len(names[0]) == 5


def test_acc_norm_divides_by_the_characters_of_the_choice():
    """The long choice wins by character, the short one by sum."""
    sample = {"doc": {"id": 7, "choices": ["ab", "abcdefgh"], "gold": 1}, "filter": "none",
              "filtered_resps": [(-2.0, False), (-4.0, False)], "acc": 0.0, "acc_norm": 1.0,
              "doc_hash": "d" * 64, "prompt_hash": "p" * 64, "target_hash": "t" * 64}
    assert eval_reason.item_row("x", "acc", "1", sample)["pred"] == 0
    assert eval_reason.item_row("x", "acc_norm", "1", sample)["pred"] == 1
