"""format, dedup and langid over shards: the same pairs as over one plain file; sources fetched as
they are published; real news from the mirror, where there is one."""

import gzip
import json
import os
import zipfile
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages import dedup, download, langid
from stages import format as stage
from stages.common import jsonl, shards
from stages.common.errors import UserError
from stages.common.funnel import Funnel
from stages.convert import assets
from stages.convert.lid import tiny
from stages.corpus import bitext

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
    tiny.lid(assets.labelled([fixtures / "tiny_train.jsonl", fixtures / "tiny_test.jsonl"]),
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


@pytest.fixture
def server(tmp_path):
    """Address of an HTTP server of the folder ``published``."""
    (tmp_path / "published").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "published"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}"
        found.shutdown()


def publish(folder, lines):
    """The five forms in which NLLB, OPUS and OPUS-100 are published, Swahili and German."""
    text = "".join(f"{en}\t{sw}\t{laser}\t0.9\t0.8\tcrawl\thttp://x\t_\t_\n"
                   for en, sw, laser in lines)
    (folder / "nllb").mkdir()
    (folder / "nllb/eng_Latn-swh_Latn.gz").write_bytes(gzip.compress(text.encode()))
    text = "".join(f"{laser}\t{sw} ccm\t{en} ccm\n" for en, sw, laser in lines)
    (folder / "cc-matrix").mkdir()
    (folder / "cc-matrix/de-en.bitextf.tsv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "moses").mkdir()
    with zipfile.ZipFile(folder / "moses/en-sw.txt.zip", "w") as archive:
        archive.writestr("NLLB.en-sw.en", "".join(f"{en} opus\n" for en, *_ in lines))
        archive.writestr("NLLB.en-sw.sw", "".join(f"{sw} opus\n" for _, sw, _ in lines))
    (folder / "de-en").mkdir()
    pq.write_table(pa.table({"translation": [{"de": f"{sw} hundert", "en": f"{en} hundred"}
                                             for en, sw, _ in lines]}),
                   folder / "de-en/train-00000-of-00001.parquet")


def test_sources_come_from_their_addresses_and_caps_are_fair(tmp_path, monkeypatch, server):
    monkeypatch.chdir(tmp_path)
    words = ["river", "stone", "cloud", "bread", "song", "road", "tree", "lamp"]
    lines = [(f"The {a} is near the {b} and {c}", f"Jambo {c} {a} {b}", round(1.3 - n / 1000, 3))
             for n, (a, b, c) in enumerate(product(words, words, words[:4]))]
    publish(tmp_path / "published", lines)
    names = [path.relative_to(tmp_path / "published").as_posix()
             for path in sorted((tmp_path / "published").rglob("*")) if path.is_file()]
    jsonl.write_json("data/sources.lock", {"s": {"train": {"source": "mined", "files": [
        {"url": f"{server}/{name}", "licence": "none"} for name in names]}}})
    sources = {"bitext": {"nllb": "nllb", "ccmatrix": "ccmatrix", "opus": "moses",
                          "opus100": "opus100"}, "cap": 40, "least": {"laser": 1.1}}
    stage_fixture.params(tmp_path, 3, download={"train": {"source": "mined", "convert": "copy"}})
    with pytest.raises(UserError, match="has no hash yet"):
        download.main(["train", "data/download/train"])
    download.main(["--relock"])
    assert all("sha256" in file for file in json.loads(
        (tmp_path / "data/sources.lock").read_text())["s"]["train"]["files"])
    download.main(["train", "data/download/train"])
    funnel = Funnel()
    bitext.table(tmp_path / "data/download/train", tmp_path / "out", {
        "languages": {"swh_Latn": {}, "deu_Latn": {}}, "sources": {"train": sources},
        "train": RULES}, {"engine": "local", "threads": 1}, funnel)
    rows = list(shards.rows(tmp_path / "out", "train"))
    counts = Counter((row["tgt_lang"], row["origin"]) for row in rows)
    assert counts == dict.fromkeys([("swh_Latn", "nllb"), ("swh_Latn", "opus"),
                                    ("deu_Latn", "ccmatrix"), ("deu_Latn", "opus100")], 40)
    assert all(row["src"].startswith("The ") and row["tgt"].startswith("Jambo") for row in rows)
    # A sample of a sorted file is not its head: scores of 1.3 to 1.1, 200 lines.
    scores = [row["laser"] for row in rows if row["origin"] == "nllb"]
    assert min(scores) < 1.13 and max(scores) > 1.27 and 1.17 < sum(scores) / 40 < 1.23
    stats = funnel.stats()
    assert stats["seen"] == 4 * 256 and stats["dropped"]["low_laser"] == 2 * 55


NEWS = "raw.githubusercontent.com/masakhane-io/lafand-mt/d441f8b063d63e95eafb72e84317359e27abf95e"
LID = Path(__file__).parents[1] / "data/download/lid"


@pytest.mark.skipif(not (os.environ.get("LLAMAX2_MIRROR") and LID.is_dir()),
                    reason="needs the news of a mirror and the desk's detector")
def test_news_of_the_mirror(tmp_path, monkeypatch):
    """MAFAND-MT: English to Yoruba; Swahili, which the detector knows better; Hausa, which it
    does not know at all."""
    monkeypatch.chdir(tmp_path)
    news = Path(os.environ["LLAMAX2_MIRROR"]) / NEWS / "data/json_files"

    def counts(language, pair, train, test, rule):
        for folder, names in (("train", [train]), ("test", test)):
            for name in names:
                file = tmp_path / language / folder / f"{pair}-{name}.json"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes((news / pair / f"{name}.json").read_bytes())
        stage_fixture.params(tmp_path, 3, recipe={"dedup": DEDUP}, format={
            "languages": {language: {}}, "sources": {
                "train": {"bitext": {"mafand": "mafand"}, "cap": None, "least": {}},
                "test": {"reader": "mafand", "origin": "mafand-test"}},
            "train": {"min_words": 1, "max_words": 150, "max_ratio": 4.0, "min_letters": 0.5},
            "test": {"clean": False, "dev_share": 0.5}}, langid={"rule": rule})
        stage.main(["corpus", f"{language}/train", f"{language}/test", f"{language}/format"])
        dedup.main([f"{language}/format", f"{language}/dedup"])
        langid.main([f"{language}/dedup", str(LID), f"{language}/format/test.jsonl",
                     f"{language}/langid"])
        return [(s["seen"], s["kept"]) for step in ("format", "dedup", "langid")
                for s in [json.loads((tmp_path / language / step / "stats.json").read_text())]]

    # By lid.176 nine of ten Yoruba sentences are Irish or Catalan: only what is surely another
    # language goes.
    assert counts("yor_Latn", "en-yor", "train", ["dev", "test"], {
        "default": "top1", "yor_Latn": "top3_or_no_other_p50"}) == [
        (6644, 6358), (6358, 6341), (6341, 6000)]
    assert counts("swh_Latn", "en-swa", "dev", ["test"], {"default": "top1"}) == [
        (1791, 1706), (1706, 1698), (1698, 1378)]
    with pytest.raises(UserError, match="label that the detector has not for hau_Latn"):
        counts("hau_Latn", "en-hau", "train", ["dev", "test"], {"default": "top1"})
