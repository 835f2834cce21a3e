"""One frame of counts: everything seen is kept or dropped, and the files have one form."""

import json

import pytest

from stages.common import jsonl
from stages.common.funnel import SAMPLE, Funnel


def row(number, lang="spa_Latn"):
    return {"id": str(number), "tgt_lang": lang}


def filled() -> Funnel:
    funnel = Funnel()
    for number in range(30):
        funnel.see(row(number))
        funnel.drop(row(number), "short", found=number)
    for lang in ("swh_Latn", "spa_Latn"):
        funnel.see(row(99, lang))
        funnel.keep(row(99, lang))
    funnel.see(row(7, "swh_Latn"))
    funnel.drop(row(7, "swh_Latn"), "long")
    return funnel


def test_counts_by_reason_and_language():
    assert filled().stats() == {
        "seen": 33, "kept": 2, "dropped": {"short": 30, "long": 1}, "by_lang": {
            "spa_Latn": {"seen": 31, "kept": 1, "dropped": {"short": 30}},
            "swh_Latn": {"seen": 2, "kept": 1, "dropped": {"long": 1}}}}


def test_files_hold_the_counts_and_a_sample_of_every_reason(tmp_path):
    other = Funnel()
    other.see(row(1))
    other.drop(row(1), "elsewhere")
    filled().write(tmp_path, {"method": "m"}, other)
    assert json.loads((tmp_path / "stats.json").read_text()) == {**filled().stats(), "method": "m"}
    sample = list(jsonl.read(tmp_path / "dropped_sample.jsonl"))
    assert [entry["reason"] for entry in sample] == ["short"] * SAMPLE + ["long", "elsewhere"]
    assert sample[3] == {"reason": "short", "id": "3", "tgt_lang": "spa_Latn", "found": 3}


@pytest.mark.parametrize("lose", [lambda f: f.see(row(1)), lambda f: f.keep(row(1)),
                                  lambda f: f.drop(row(1), "twice")])
def test_lost_or_doubled_rows_are_an_error(lose):
    funnel = filled()
    lose(funnel)
    with pytest.raises(RuntimeError, match=r"spa_Latn: 3[12] rows seen"):
        funnel.stats()


def test_nothing_seen_gives_zero_counts(tmp_path):
    Funnel().write(tmp_path)
    assert json.loads((tmp_path / "stats.json").read_text()) == {
        "seen": 0, "kept": 0, "dropped": {}, "by_lang": {}}
    assert (tmp_path / "dropped_sample.jsonl").read_bytes() == b""


def test_funnels_of_parts_add_up_to_that_of_the_whole():
    whole = Funnel()
    for _ in range(2):
        whole.add(filled().state())
    assert whole.stats() == {
        "seen": 66, "kept": 4, "dropped": {"short": 60, "long": 2}, "by_lang": {
            "spa_Latn": {"seen": 62, "kept": 2, "dropped": {"short": 60}},
            "swh_Latn": {"seen": 4, "kept": 2, "dropped": {"long": 2}}}}
    assert [row["reason"] for row in whole.sample()] == ["short"] * SAMPLE + ["long"] * 2
    assert json.loads(json.dumps(filled().state())) == filled().state()
