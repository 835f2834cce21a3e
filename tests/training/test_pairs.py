"""Shares of the pairs, and targets that belong to others."""

import pytest

from stages.common.errors import UserError
from stages.training import pairs
from tests import stage_fixture

ROWS = [{"id": f"t:{n}", "src": f"{lang} {n}", "tgt": f"target {lang} {n}", "src_lang": "eng_Latn",
         "tgt_lang": lang} for n in range(40) for lang in ("spa_Latn", "swh_Latn")]


def test_neighbouring_shares_are_disjoint_complete_and_in_file_order():
    first, second = pairs.share(ROWS, 0, 0.5), pairs.share(ROWS, 0.5, 1)
    assert len(first) == len(second) == 40
    assert [row for row in ROWS if row in first or row in second] == ROWS
    assert not [row for row in first if row in second]
    assert first == [row for row in ROWS if row in first]
    assert pairs.share(ROWS, 0, 1) == ROWS


def test_a_share_takes_as_much_of_every_direction_and_is_not_the_head_of_the_file():
    eighth = pairs.share(ROWS, 0, 0.125)
    assert [sum(row["tgt_lang"] == lang for row in eighth) for lang in ("spa_Latn", "swh_Latn")
            ] == [5, 5]
    assert eighth != ROWS[:10]


def test_shuffled_targets_are_the_same_texts_and_no_row_keeps_its_own():
    wrong = pairs.shuffled(ROWS, 1)
    for old, new in zip(ROWS, wrong, strict=True):
        assert old["tgt"] != new["tgt"] and old | {"tgt": new["tgt"]} == new
        assert old["tgt_lang"] in new["tgt"]  # within the direction
    assert sorted(row["tgt"] for row in ROWS) == sorted(row["tgt"] for row in wrong)
    assert wrong == pairs.shuffled(ROWS, 1) != pairs.shuffled(ROWS, 2)


def test_an_empty_share_is_refused(tmp_path):
    file = stage_fixture.pairs(tmp_path / "pairs.jsonl", 2)
    with pytest.raises(UserError, match=r"is empty, or its share \[0, 0.1\] is"):
        pairs.chosen(file, [0, 0.1], False, 1)


def test_held_out_rows_are_dev_rows_in_both_directions(tmp_path):
    file = stage_fixture.pairs(tmp_path / "dev.jsonl", 5, split="dev")
    rows = pairs.held_out(file, 2)
    assert [(row["src_lang"], row["tgt_lang"]) for row in rows] == [
        ("eng_Latn", "spa_Latn"), ("spa_Latn", "eng_Latn")] * 2
    assert pairs.held_out(stage_fixture.pairs(tmp_path / "x.jsonl", 5, split="devtest"), 2) == []
