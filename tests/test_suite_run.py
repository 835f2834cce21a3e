"""The suite ``standard`` end to end on a small mirror of its own: no network, no published text.

The declared commands in this process, at scale ``tiny``, with params.yaml as it is but for the
sizes; what comes out is compared with what was planted.
"""

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages import download
from stages.common import jsonl
from stages.common.errors import UserError
from stages.corpus.sources import lock
from stages.experiments import calibration
from stages.report import __main__ as report
from stages.tasks import items
from stages.verify import __main__ as verify
from tests import resolved, suite_mirror
from tests.suite_mirror import COUNTS, DOCUMENTS, LINES, NEWS

ROOT = Path(__file__).parents[1]
RUN = Path("reports/tiny/standard")
DRAWN, SHARE = 3, 0.2
SYSTEMS = ("base", "xplus")
SETS = {"arc_easy": "arc_easy", "piqa": "piqa", "xcopa_sw": "xcopa"}  # and the task it belongs to
SETTINGS = YAML(typ="safe").load((ROOT / "params.yaml").read_text())


def settle(**more) -> None:
    """params.yaml of the repository, for this mirror; ``more``: changes at dotted places, with __
    for the dots."""
    tree = json.loads(json.dumps(SETTINGS))
    tree |= {"scale": "tiny", "suite": "standard"}
    tree["machine"]["threads"] = 1
    tree["significance"] |= {"contrasts": [["xplus", "base"]], "confirm": None, "later": [],
                             "resamples": 100, "ar_trials": 99, "simulations": 20}
    suite = tree["suites"]["standard"]
    for asset, name in suite_mirror.SOURCES.items():
        suite["download"][asset]["source"] = name
    sets = suite["download"]["items"]["sets"]
    suite["download"]["items"]["sets"] = {name: sets[name] for name in SETS}
    tasks = {task: suite["eval_reason"]["tasks"][task] for task in SETS.values()}
    tasks["xcopa"]["languages"] = ["sw"]
    suite["eval_reason"] |= {"tasks": tasks, "batch": 64}
    suite["eval_reason"]["screen"]["share"] = SHARE
    suite["format"]["test"] |= {"lines": LINES, "documents": DRAWN}
    suite["eval_mt"] |= {"max_new_tokens": 4, "batch_tokens": 4000}
    suite["margin_logprob"] = 0.1
    for place, value in more.items():
        *path, last = place.split("__")
        node = tree
        for step in path:
            node = node[step]
        node[last] = value
    Path("params.yaml").write_text(json.dumps(tree))


def stage(name: str, out: str | None = None) -> None:
    """Run a stage as dvc.yaml declares it, into another folder if one is named."""
    resolved.run(resolved.commands(Path.cwd())[name], out)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run, which is the working folder while the module's tests run."""
    folder = tmp_path_factory.mktemp("suite")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LLAMAX2_MIRROR", "mirror")
        for scheme in ("http_proxy", "https_proxy"):  # whatever asks the network fails
            patch.setenv(scheme, "http://127.0.0.1:9")
        (folder / "tests").symlink_to(ROOT / "tests")
        shutil.copy(ROOT / "dvc.yaml", folder)
        fixture = json.loads((ROOT / "data/sources.lock").read_text())["tiny"]
        jsonl.write_json(lock.LOCK, {"tiny": fixture, "suites": {"standard": {
            asset: suite_mirror.entry(asset, []) for asset in suite_mirror.SOURCES}}})
        settle()
        declared = resolved.commands(folder)
        for name in ("download@model", "download@lid", "download@spm", "download@train",
                     "download@test", "format@corpus", "dedup"):
            resolved.run(declared[name])
        pairs = list(jsonl.read("data/dedup/pairs.jsonl"))
        planted = {"eng_Latn": pairs[0]["src"].upper()} | {
            language: next(row["tgt"] for row in pairs[3:] if row["tgt_lang"] == language) + "!"
            for language in ("spa_Latn", "swh_Latn")}
        suite_mirror.build(folder / "mirror", planted)
        jsonl.write_json(lock.LOCK, {"tiny": fixture, "suites": {"standard": {
            asset: suite_mirror.entry(asset, urls)
            for asset, urls in suite_mirror.files_of(folder / "mirror").items()}}})
        download.main(["--relock"])
        with jsonl.writer("data/qe/select/pairs.jsonl") as write:  # so few that training is short
            for row in pairs[:6]:
                write(row)
        for name in ("download@suite_test", "download@items", "download@calibration",
                     "format@suite", "train_s1", "train_s2", *(
                         f"{kind}@{system}" for kind in ("eval_mt", "eval_reason")
                         for system in SYSTEMS), "significance"):
            resolved.run(declared[name])
        calibration.main([])
        report.main(["."])
        yield folder


def translated(folder: str) -> list[dict]:
    return list(jsonl.read(f"{folder}/segments.jsonl"))


def test_nothing_was_fetched(run):
    assert not lock.STORE.exists()
    entries = json.loads(lock.LOCK.read_text())["suites"]["standard"]
    files = [file for source in entries.values() for file in source["files"]]
    assert {len(file["git_blob"]) for file in files} == {40}


def test_news_passes_whole_and_unchanged(run):
    """Every line of the documents drawn, in its order, as its file has it."""
    names = suite_mirror.drawn(DRAWN)
    kept = [n for n, document in enumerate(suite_mirror.ids()) if document in names]
    assert len(kept) == sum(DOCUMENTS[name] for name in names)
    rows = list(jsonl.read("data/format/suite/test.jsonl"))
    published = {language: (run / f"mirror/{NEWS}/NTREX-128/newstest2019-{code}.txt").read_bytes(
        ).decode().removesuffix("\n").split("\n") for code, language in suite_mirror.CODES.items()}
    for language in ("spa_Latn", "swh_Latn"):
        mine = [row for row in rows if row["tgt_lang"] == language]
        assert [(row["id"], row["src"], row["tgt"], row["cluster"]) for row in mine] == [
            (f"ntrex:{n + 1:02}", published["eng_Latn"][n], published[language][n],
             f"ntrex.{suite_mirror.ids()[n]}") for n in kept]
    stats = json.loads(Path("data/format/suite/stats.json").read_text())
    assert (stats["seen"], stats["kept"], stats["dropped"], stats["documents"]) == (
        2 * LINES, 2 * len(kept), {"document_not_drawn": 2 * (LINES - len(kept))}, DRAWN)


def test_lines_of_training_are_flagged_in_both_languages_and_stay(run):
    """Planted: the first English line and the second of either other language, a document."""
    stats = json.loads(Path("data/format/suite/stats.json").read_text())
    assert stats["seen_in_training"] == {
        "spa_Latn, eng_Latn side": DRAWN, "spa_Latn, spa_Latn side": DRAWN,
        "swh_Latn, eng_Latn side": DRAWN, "swh_Latn, swh_Latn side": DRAWN}
    flagged = [row for row in jsonl.read("data/format/suite/test.jsonl")
               if row["seen_in_training"]]
    assert len(flagged) == 4 * DRAWN
    ids = {row["id"] for row in flagged}
    assert ids <= {row["id"] for row in translated("data/eval_mt/base")}


def test_every_system_translates_every_line(run):
    lines = sum(DOCUMENTS[name] for name in suite_mirror.drawn(DRAWN))
    for system in SYSTEMS:
        rows = translated(f"data/eval_mt/{system}")
        count = {}
        for row in rows:
            count[row["direction"]] = count.get(row["direction"], 0) + 1
        assert count == dict.fromkeys((
            "eng_Latn-spa_Latn", "spa_Latn-eng_Latn", "eng_Latn-swh_Latn", "swh_Latn-eng_Latn"),
            lines)
    assert any(row["truncated"] for row in rows)  # outputs that were cut off are counted


def test_every_item_but_the_screening_part_is_scored(run):
    stats = json.loads(Path("data/download/items/stats.json").read_text())
    assert {name: row["kept"] for name, row in stats.items()} == {
        "arc_easy": COUNTS["arc_easy.jsonl"], "piqa": COUNTS["piqa.jsonl"],
        "xcopa_sw": COUNTS["test.sw.jsonl"]}
    for system in SYSTEMS:
        rows = list(jsonl.read(f"data/eval_reason/{system}/items.jsonl"))
        for name, task in SETS.items():
            tested = [n for n in range(stats[name]["kept"]) if items.place(n) >= SHARE]
            assert 0 < len(tested) < stats[name]["kept"]
            found = [row["doc_id"] for row in rows if row["task"] == task]
            assert found == (tested if name == task else [f"sw:{n}" for n in tested])


def test_the_report_rests_on_documents_and_follows_from_its_rows(run):
    model = json.loads((RUN / "significance.json").read_text())
    assert (model["meta"]["scale"], model["meta"]["suite"]) == ("tiny", "standard")
    [table] = [table for table in model["tables"]
               if table["id"] == "t3_translation.xplus-base.chrf++"]
    for row in table["rows"]:
        assert (row["unit"], row["documents"]) == ("documents", DRAWN)
    [tasks] = [table for table in model["tables"] if table["id"] == "t1_reasoning.xplus-base"]
    verdicts = {row["task"].split("@")[0]: row["verdict"] for row in tasks["rows"]}
    assert set(verdicts) == set(SETS.values())
    assert verdicts["xcopa"] == "cannot show harm"
    text = (RUN / "REPORT.md").read_text()
    assert "24 of 24 published scores come out equal to 3 decimals" in text
    assert "reverse with significance: Delta above Gamma" in text
    assert verify.differences(RUN) == ([], [])


def test_a_wrong_hash_in_the_mirror_is_refused_by_name(run):
    file = next(Path("mirror").rglob("newstest2019-ref.swa.txt"))
    before, old = file.read_bytes(), Path("data/download/suite_test/DOCUMENT_IDS.tsv").read_bytes()
    file.write_bytes(before.replace(b"harvest", b"Harvest", 1))
    try:
        with pytest.raises(UserError, match=r"mirror: mirror/.*newstest2019-ref\.swa\.txt: sha256 "
                                            "is .*, the lock says .*Replace the file"):
            download.main(["suite.test", "data/download/suite_test"])
    finally:
        file.write_bytes(before)
    assert Path("data/download/suite_test/DOCUMENT_IDS.tsv").read_bytes() == old
    assert not lock.STORE.exists()


def add(asset: str, ending: str) -> None:
    """One more address in the lock, its hashes recorded by the command."""
    tree = json.loads(lock.LOCK.read_text())
    [path] = Path("mirror").rglob(ending)
    tree["suites"]["standard"][asset]["files"].append(
        {"url": f"https://{path.relative_to('mirror')}", "licence": "none"})
    jsonl.write_json(lock.LOCK, tree)
    download.main(["--relock"])


def test_a_set_of_items_is_added_by_an_entry(run):
    """A form that is known, a file of the lock, and its task: no code."""
    add("items", "siqa.jsonl")
    sets, tasks = (SETTINGS["suites"]["standard"]["download"]["items"]["sets"],
                   SETTINGS["suites"]["standard"]["eval_reason"]["tasks"])
    settle(suites__standard__download__items__sets={
        "piqa": sets["piqa"], "why_foundry": {"form": "choices", "file": "siqa.jsonl"}},
        suites__standard__eval_reason__tasks={"piqa": tasks["piqa"], "why_foundry": {
            "metric": "acc", "carries": False, "stock": "choices"}})
    try:
        stage("download@items")
        stage("eval_reason@base", "added/reason")
    finally:
        settle()
        stage("download@items")
    rows = list(jsonl.read("added/reason/items.jsonl"))
    assert [row["doc_id"] for row in rows if row["task"] == "why_foundry"] == [
        n for n in range(COUNTS["siqa.jsonl"]) if items.place(n) >= SHARE]
    before = [row for row in jsonl.read("data/eval_reason/base/items.jsonl")
              if row["task"] == "piqa"]
    assert [row for row in rows if row["task"] == "piqa"] == before


def test_news_in_another_language_is_added_by_an_entry(run):
    """The file in the lock and a language of the suite, of which nothing is trained; what was
    there before comes out as it was."""
    add("test", "newstest2019-ref.deu.txt")
    settle(suites__standard__format__languages={"deu_Latn": {"resource": "high"}})
    try:
        stage("download@suite_test", "added/news")
        command = resolved.commands(run)["format@suite"]
        resolved.run(command.replace("data/download/suite_test", "added/news"), "added/format")
        command = resolved.commands(run)["eval_mt@base"]
        resolved.run(command.replace("data/format/suite", "added/format"), "added/mt")
    finally:
        settle()
    lines = sum(DOCUMENTS[name] for name in suite_mirror.drawn(DRAWN))
    rows = translated("added/mt")
    assert [sum(row["direction"] == direction for row in rows) for direction in (
        "eng_Latn-deu_Latn", "deu_Latn-eng_Latn")] == [lines, lines]
    assert [row for row in rows if "deu_Latn" not in row["direction"]] == translated(
        "data/eval_mt/base")
    texts = suite_mirror.news("deu_Latn", {})
    assert {row["tgt"] for row in jsonl.read("added/format/test.jsonl")
            if row["tgt_lang"] == "deu_Latn"} <= set(texts)
