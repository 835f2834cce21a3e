"""What is broken on purpose, and how."""

import random

import pytest

from stages.comet import corruptions

ROW = {"id": "a", "src": "One two three four", "tgt": "uno dos tres cuatro",
       "tgt_lang": "spa_Latn"}
OTHERS = [{"id": str(n), "tgt": text} for n, text in enumerate(("ab cd ef gh ij kl",) * 3)]


@pytest.mark.parametrize(("kind", "expected"), [
    ("copied_source", "One two three four"), ("truncated", "uno dos"),
    ("wrong_language", "moja mbili tatu nne"), ("misaligned", "ab cd ef gh ij kl"),
    ("half_replaced", "uno dos ef gh ij kl")])
def test_every_kind_of_damage(kind, expected):
    assert corruptions.corrupt(ROW, kind, OTHERS, "moja mbili tatu nne",
                            random.Random(1)) == expected


def test_shuffled_has_the_same_words_in_another_order():
    found = corruptions.corrupt(ROW, "shuffled", OTHERS, None, random.Random(1))
    assert sorted(found.split()) == sorted(ROW["tgt"].split())
    assert found != ROW["tgt"]


def test_damage_that_changes_nothing_is_left_out():
    one = {**ROW, "tgt": "uno"}
    assert corruptions.corrupt(one, "shuffled", OTHERS, None, random.Random(1)) is None
    assert corruptions.corrupt(one, "wrong_language", OTHERS, None, random.Random(1)) is None


def test_every_row_gives_its_good_pair_and_its_worth():
    rows = [ROW, {**ROW, "tgt": "moja mbili tatu nne", "tgt_lang": "swh_Latn"}]
    made = corruptions.corruptions(rows, ["truncated", "wrong_language"], seed=1)
    assert [(row["kind"], row["mt"], row["score"]) for row in made[:3]] == [
        ("good", "uno dos tres cuatro", 1.0), ("truncated", "uno dos", 0.3),
        ("wrong_language", "moja mbili tatu nne", 0.0)]
    assert len(made) == 6
    assert made == corruptions.corruptions(rows, ["truncated", "wrong_language"], seed=1)
