"""format, dedup and langid over shards: the same pairs as over one plain file."""

import gzip
import json

import pytest

from stages import dedup, download, langid
from stages import format as stage
from stages.common import jsonl, shards
from stages.convert.lid import tiny

from . import stage_fixture

LANGUAGES = ("spa_Latn", "swh_Latn")
RULES = {"min_words": 2, "max_words": 16, "max_ratio": 3.0, "min_letters": 0.6}
DEDUP = {"method": "simhash", "ngram": 4, "distance": 3, "jaccard": 0.8, "permutations": 64,
         "test_jaccard": 0.5}


@pytest.fixture
def workspace(tmp_path, monkeypatch, fixtures):
    """The fixture's training text as JSON Lines and as NLLB's files."""
    monkeypatch.chdir(tmp_path)
    for name in ("lid", "plain", "mined", "test"):
        (tmp_path / name).mkdir()
    tiny.lid(download.labelled([fixtures / "tiny_train.jsonl", fixtures / "tiny_test.jsonl"]),
             tmp_path / "lid")
    rows = list(jsonl.read(fixtures / "tiny_train.jsonl"))
    rows += [{**row, "id": f"again-{n}"} for n, row in enumerate(rows[:3])]
    (tmp_path / "test/t.jsonl").write_bytes((fixtures / "tiny_test.jsonl").read_bytes())
    with jsonl.writer("plain/rows.jsonl") as write:
        for row in rows:
            write(row)
    for language in LANGUAGES:
        lines = [f"{row['eng_Latn']}\t{row[language]}\t1.1\t0.9\t0.9\t_\t_\t_\t_\n" for row in rows]
        (tmp_path / f"mined/eng_Latn-{language}.gz").write_bytes(
            gzip.compress("".join(lines).encode()))
    return tmp_path


def run(workspace, kind, threads):
    train = ({"reader": "parallel_jsonl", "origin": "t"} if kind == "plain"
             else {"bitext": {"t": "nllb"}, "cap": None, "least": {"laser": 1.0}})
    stage_fixture.params(workspace, 3, recipe={
        "dedup": DEDUP, "machine": {"engine": "local", "threads": threads}}, format={
            "languages": {language: {} for language in LANGUAGES}, "train": RULES,
            "sources": {"train": train, "test": {"reader": "parallel_jsonl", "origin": "test"}},
            "test": {**RULES, "clean": True, "dev_share": 0.4}},
        langid={"rule": {"default": "top1"}})
    out = workspace / f"{kind}{threads}"
    stage.main(["corpus", kind, "test", f"{out}/format"])
    dedup.main([f"{out}/format", f"{out}/dedup"])
    langid.main([f"{out}/dedup", "lid", f"{out}/format/test.jsonl", f"{out}/langid"])
    return out


def counts(out):
    return [{key: json.loads((out / step / "stats.json").read_text())[key]
             for key in ("seen", "kept", "dropped", "by_lang")}
            for step in ("format", "dedup", "langid")]


def test_shards_and_a_plain_file_keep_the_same_pairs_and_count_the_same(workspace):
    plain, mined = run(workspace, "plain", 1), run(workspace, "mined", 1)
    pairs = [[(row["src"], row["tgt"], row["tgt_lang"]) for row in shards.rows(out / step, table)]
             for out in (plain, mined)
             for step, table in (("format", "train"), ("dedup", "pairs"), ("langid", "pairs"))]
    assert pairs[:3] == pairs[3:]
    assert 0 < len(pairs[2]) <= len(pairs[1]) <= len(pairs[0])
    assert counts(plain) == counts(mined)
    assert not (mined / "dedup/pairs.jsonl").exists()


def test_two_processes_write_the_bytes_of_one(workspace):
    one, two = run(workspace, "mined", 1), run(workspace, "mined", 2)
    files = [sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
             for out in (one, two)]
    assert files[0] == files[1]
    for name in files[0]:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
