"""Pairs that fill a budget of tokens: counted, fair, the same wherever they are read."""

import json
from itertools import pairwise

import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.common.funnel import Funnel
from stages.corpus import token_budget

SETTINGS = {"by": "qe", "keep": 0.5, "tokens": 300, "temperature": 1.0, "into_english": 0.5}


def rows(language, count, **extra):
    return [{"id": f"{language}:{n}", "src": f"text {n}", "tgt": f"neno {n}", "origin": "t",
             "src_lang": "eng_Latn", "tgt_lang": language, "qe": n / count, **extra}
            for n in range(count)]


def count(batch):
    return [3 + int(row["id"].split(":")[1]) % 3 for row in batch]


@pytest.fixture
def files(tmp_path):
    found = {}
    for language, size in (("spa_Latn", 200), ("swh_Latn", 60)):
        found[language] = tmp_path / f"{language}.jsonl"
        with jsonl.writer(found[language]) as write:
            for row in rows(language, size):
                write(row)
    return found


def choose(files, out, **changes):
    funnel = Funnel()
    total = token_budget.choose(files, SETTINGS | changes, count, funnel, out)
    return total, list(jsonl.read(out)), funnel


def test_the_best_share_fills_the_budget_and_every_row_is_counted(files, tmp_path):
    total, chosen, funnel = choose(files, tmp_path / "out.jsonl")
    assert 280 < total["tokens"] == sum(row["tokens"] for row in chosen) <= 300
    assert len(chosen) == funnel.stats()["kept"]
    assert all(row["qe"] >= 0.5 for row in chosen)
    assert funnel.stats()["by_lang"]["spa_Latn"]["dropped"]["below_score"] == 100
    parts = {part["direction"]: part for part in total["by_direction"]}
    assert sum(part["tokens"] for part in parts.values()) == total["tokens"]
    assert sum(part["pairs"] for part in parts.values()) == len(chosen)
    assert {"eng_Latn-spa_Latn", "spa_Latn-eng_Latn"} <= set(parts)


def test_the_random_control_is_of_equal_size_and_blind_to_scores(files, tmp_path):
    best, *_ = choose(files, tmp_path / "best.jsonl")
    drawn, chosen, funnel = choose(files, tmp_path / "drawn.jsonl", by="random")
    assert abs(drawn["tokens"] - best["tokens"]) <= 10
    assert 0.3 < sum(row["qe"] < 0.5 for row in chosen) / len(chosen) < 0.7
    assert set(funnel.stats()["dropped"]) == {"over_budget"}
    with pytest.raises(UserError, match="'best' is neither qe nor random"):
        choose(files, tmp_path / "x.jsonl", by="best")


def test_order_is_mixed_and_nothing_is_left_beside_the_result(files, tmp_path):
    _, chosen, _ = choose(files, tmp_path / "new/out.jsonl", tokens=10**6)
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"out.jsonl"}
    assert [row["id"] for row in chosen] != sorted(row["id"] for row in chosen)
    changes = sum(a["id"][:3] != b["id"][:3] for a, b in pairwise(chosen))
    assert changes > 20  # of 130 pairs, 30 in Swahili
    again = choose(dict(reversed(files.items())), tmp_path / "again.jsonl", tokens=10**6)[1]
    assert again == chosen


def test_a_language_without_scores_is_drawn_from_all_its_pairs(files, tmp_path):
    with jsonl.writer(files["swh_Latn"]) as write:
        for row in rows("swh_Latn", 60):
            del row["qe"]
            write(row)
    _, chosen, funnel = choose(files, tmp_path / "out.jsonl", tokens=10**6)
    assert sum("swh_Latn" in (row["src_lang"], row["tgt_lang"]) for row in chosen) == 60
    assert funnel.kept["spa_Latn"] == 100


@pytest.mark.parametrize(("temperature", "expected"), [
    (1.0, {"a": 900, "b": 90, "c": 10}), (1e9, {"a": 890, "b": 100, "c": 10})])
def test_what_a_language_cannot_use_goes_to_the_others(temperature, expected):
    found = token_budget.budgets({"a": 900, "b": 90 if temperature == 1 else 100, "c": 10}, 1000,
                                 temperature)
    assert found == pytest.approx(expected, abs=1)


def test_budgets_never_exceed_what_there_is():
    assert token_budget.budgets({"a": 5, "b": 0}, 100, 3.0) == {"a": 5, "b": 0}
    found = token_budget.budgets({"a": 1000, "b": 10}, 100, 5.0)
    assert found["b"] == 10 and found["a"] == 90


def test_tokens_are_those_of_the_tokenizer(tmp_path, fixtures):
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    counted = token_budget.counter(tmp_path / "tokenizer.json")
    assert counted([{"src": "a b a", "tgt": "b"}, {"src": "", "tgt": "z z"}]) == [4, 2]
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["type"] == "WordLevel"
