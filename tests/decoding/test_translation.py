"""Which rows are asked, which show how; what an answer's row holds."""

import pytest

from stages.common.errors import UserError
from stages.decoding import translation

ROW = {"id": "k:1", "cluster": "k", "src": "A dog", "tgt": "Mbwa", "src_lang": "eng_Latn",
       "tgt_lang": "swh_Latn", "split": "devtest"}
DEV = [ROW | {"id": f"k:{n}", "tgt_lang": language, "split": split}
       for language in ("swh_Latn", "spa_Latn") for n in range(40)
       for split in (["devtest"] if n % 4 == 0 else ["dev"])]


def names(rows):
    return [row["id"] for row in rows]


def test_turned_swaps_text_and_languages_together():
    assert translation.turned(ROW, into_pivot=False) == ROW
    assert translation.turned(ROW, into_pivot=True) == ROW | {
        "src": "Mbwa", "tgt": "A dog", "src_lang": "swh_Latn", "tgt_lang": "eng_Latn"}


def test_every_language_gets_the_same_ids_whatever_the_file_order():
    chosen = [names(translation.ordered(rows, language))
              for rows in (DEV, DEV[::-1]) for language in ("swh_Latn", "spa_Latn")]
    assert chosen == [chosen[0]] * 4
    assert len(set(chosen[0])) == 40
    assert chosen[0] != sorted(chosen[0])


def test_examples_come_from_a_pool_that_is_never_scored():
    pool, scored = translation.dev(DEV, "swh_Latn")
    assert (len(pool), len(scored)) == (translation.POOL, 6)
    assert not {*names(pool)} & {*names(scored)}
    assert all(row["split"] == "dev" for row in pool + scored)
    draws = [names(translation.examples(pool, 8, draw)) for draw in range(3)]
    assert [*draws[0], *draws[1], *draws[2]] == names(pool)  # every draw has rows of its own
    assert names(translation.examples(pool, 4, 1)) == draws[1][:4]  # fewer are among more
    assert translation.examples([], 0, 0) == []
    assert names(translation.examples(pool[:10], 4, 1)) == [*draws[1][:2], *draws[0][:2]]


@pytest.mark.parametrize(("rows", "shots", "draw"), [
    (24, 9, 0), (24, 1, 3), (7, 8, 2), (24, -1, 0), (24, 1, -1)])
def test_examples_that_the_pool_does_not_hold_are_refused(rows, shots, draw):
    with pytest.raises(UserError, match=f"{shots} shots of draw {draw}: draws are 0 to 2, of at"):
        translation.examples([ROW] * rows, shots, draw)


def test_the_row_of_an_answer_is_complete():
    assert translation.result(ROW, ("Mbwa", False)) == {
        "id": "k:1", "cluster": "k", "direction": "eng_Latn-swh_Latn", "src": "A dog",
        "ref": "Mbwa", "hyp": "Mbwa", "empty": False, "copy": False, "truncated": False,
        "ref_hash": "2edb8362da0e8144"}


@pytest.mark.parametrize(("answer", "flags"), [
    (("The dog", False), set()), (("mbwa", False), {"copy"}), (("", False), {"empty"}),
    (("The the the", True), {"truncated"})])
def test_flags(answer, flags):
    row = translation.result(translation.turned(ROW, into_pivot=True), answer)
    assert {flag for flag in ("empty", "copy", "truncated") if row[flag]} == flags


def test_directions():
    assert translation.directions(["spa_Latn"]) == [
        ("spa_Latn", True, "spa_Latn-eng_Latn"), ("spa_Latn", False, "eng_Latn-spa_Latn")]
