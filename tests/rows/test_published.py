"""Published rows: all that the statistics need, no text, and the same bytes each time."""

import gzip
import json

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from stages.common.errors import UserError
from stages.rows import lexical, published, results, segments
from tests.rows.result_files import LANGUAGES, SETTINGS, change, items, run, write
from tests.rows.result_files import segments as invented

BOTH = ("swh_Latn-eng_Latn", "eng_Latn-swh_Latn")
CONTRASTS = SETTINGS["contrasts"]


@pytest.fixture
def rows(tmp_path):
    """Rows of two systems; the first output is empty, the second off target by one rule."""
    sides = [invented(0.5, 1, BOTH, 8), invented(0.2, 2, BOTH, 8, per_document=2)]
    for row in sides[0]:
        row["cluster"] = next(one["cluster"] for one in sides[1] if one["id"] == row["id"])
    sides[1][0] |= {"hyp": "", "empty": True}
    sides[1][1]["off_target"] = {"top1": True, "no_other_p50": False}
    for side in sides:
        side[2]["ref_off_target"] = {"top1": False, "no_other_p50": True}
    folders = run(tmp_path, *sides, items([1, 0]), items([1, 1]))
    published.publish(*folders, SETTINGS, "None.", tmp_path / "rows")
    return tmp_path / "rows"


def edit_gz(file, change):
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    file.write_bytes(gzip.compress("".join(f"{line}\n" for line in change(lines)).encode()))


def corpus(rows):
    found, copied = published.translations(rows, CONTRASTS)
    return segments.corpus(list(found.values()), copied, SETTINGS["metrics"])


def test_no_text_is_published(rows):
    content = "".join(
        gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
        for file in rows.rglob("*") if file.is_file())
    for word in ("river", "chanzo", "hyp", '"src"'):
        assert word not in content
    assert '"ref_hash"' in content


def test_the_same_run_gives_the_same_bytes(rows, tmp_path):
    published.publish(tmp_path / "mt", tmp_path / "reason", SETTINGS, "None.", tmp_path / "again")
    for file in sorted(path for path in rows.rglob("*") if path.is_file()):
        assert (tmp_path / "again" / file.relative_to(rows)).read_bytes() == file.read_bytes()
    assert (rows / "xplus/segments.jsonl.gz").read_bytes()[4:8] == bytes(4)  # no time in it


def test_the_corpus_holds_what_the_rows_say(rows):
    data = corpus(rows)
    assert data.systems == ["xplus", "base", "copy_source"]
    assert data.directions == sorted(BOTH)
    assert data.present.tolist() == [[1] * 8] * 2
    assert data.documents.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    there = ("empty", (0, 1, 0)), ("truncated", None)
    for flag, only in there:
        assert list(zip(*np.nonzero(data.flags[flag]), strict=True)) == ([only] if only else [])
    assert list(data.off_target) == ["top1", "no_other_p50"]
    assert np.argwhere(data.off_target["top1"]).tolist() == [[0, 1, 1]]
    assert not data.off_target["no_other_p50"].any()
    assert np.argwhere(data.ref_off_target["no_other_p50"]).tolist() == [[1, 2]]


def test_statistics_and_floors_are_sacrebleus(rows, tmp_path):
    data = corpus(rows)
    text = results.translations(tmp_path / "mt/xplus").rows
    for d, direction in enumerate(data.directions):
        mine = [row for (where, _), row in text.items() if where == direction]
        refs, hyps, copies = ([row[key] for row in mine] for key in ("ref", "hyp", "src"))
        peer = CHRF(word_order=2)
        for system, outputs in ((0, hyps), (-1, copies)):
            table = data.statistics["chrf++"][system, d]
            assert lexical.chrf(table.sum(0)) == pytest.approx(
                peer.corpus_score(outputs, [refs]).score, abs=1e-11)
        sums = data.shuffled_sums["chrf++"][0, d]
        assert sums.shape == (20, 24)
        assert len(np.unique(sums, axis=0)) > 10
        assert (sums[:, 1] == table.sum(0)[1]).all()  # references are the same, in other places


def test_an_id_that_a_direction_lacks_is_absent(tmp_path):
    sides = [invented(0.5, 1, BOTH, 5), invented(0.2, 2, BOTH, 5)]
    for side in sides:
        del side[7]
    published.publish(*run(tmp_path, *sides), SETTINGS, "", tmp_path / "rows")
    data = corpus(tmp_path / "rows")
    assert data.present.tolist() == [[1, 1, 0, 1, 1], [1] * 5]
    assert not data.statistics["chrf++"][:, 0, 2].any()


def test_neural_scores_have_no_copied_source(tmp_path):
    sides = [[row | {"scores": {"comet22": score}} for row in invented(0.5, 1, BOTH, 4)]
             for score in (0.25, 0.5)]
    published.publish(*run(tmp_path, *sides), SETTINGS, "", tmp_path / "rows")
    data = corpus(tmp_path / "rows")
    assert [metric.name for metric in data.metrics] == ["chrf++", "comet22"]
    assert data.statistics["comet22"][:, 0, 0].tolist() == [[0.5, 1], [0.25, 1], [0, 0]]


@pytest.mark.parametrize(("file", "spoil", "message"), [
    ("xplus/segments.jsonl.gz", lambda lines: lines[1:], "is in .*base.* but not in .*xplus"),
    ("copy_source/segments.jsonl.gz", lambda lines: lines[1:], "but not in .*copy_source"),
    ("xplus/segments.jsonl.gz", lambda lines: [*lines, lines[0]], r"gz:17: duplicate of eng_Latn"),
    ("xplus/segments.jsonl.gz", lambda lines: [lines[0].replace('"chrf++":[', '"chrf++":[-'),
                                               *lines[1:]], "statistics of chrf.. "),
    ("xplus/segments.jsonl.gz", lambda lines: [*lines[1:], lines[0].replace('"chrf++":[', '"x":[')],
     r"statistics of (x|chrf\+\+) None"),
    ("xplus/segments.jsonl.gz", lambda lines: [lines[0][:-1], *lines[1:]], "gz:1: invalid_json"),
    ("xplus/segments.jsonl.gz", lambda lines: [
        lines[0].replace('"top1":false', '"top1":0'), *lines[1:]], "off_target .* true or false"),
    ("xplus/segments.jsonl.gz", lambda lines: [], "no rows"),
    ("xplus/items.jsonl.gz", lambda lines: lines[1:], "is in .*base.* but not in .*xplus")])
def test_published_rows_that_do_not_pair_are_refused(rows, file, spoil, message):
    edit_gz(rows / file, spoil)
    with pytest.raises(UserError, match=message) as caught:
        published.translations(rows, CONTRASTS)
        published.answers(rows, CONTRASTS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spoil", [
    lambda meta: meta["metrics"].pop("chrf++"), lambda meta: meta["shuffled"].clear(),
    lambda meta: meta["shuffled"]["chrf++"].popitem(),
    lambda meta: meta["shuffled"]["chrf++"][BOTH[0]].pop(),
    lambda meta: meta["shuffled"]["chrf++"][BOTH[0]][3].append(1),
    lambda meta: meta["shuffled"]["chrf++"][BOTH[0]][3].__setitem__(0, 0.5),
    lambda meta: meta["metrics"].update({"chrf++": 3})])
def test_strange_sums_are_refused(rows, spoil):
    file = rows / "xplus/translation.json"
    meta = json.loads(file.read_text())
    spoil(meta)
    file.write_text(json.dumps(meta))
    with pytest.raises(UserError, match=r"translation\.json: .*Restore the file"):
        published.translations(rows, CONTRASTS)


def test_a_torn_file_is_refused(rows):
    file = rows / "xplus/segments.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UserError, match="not a whole gzip file"):
        published.translations(rows, CONTRASTS)


def test_nothing_is_written_unless_all_pairs(tmp_path):
    folders = run(tmp_path, invented(0.5, 1), invented(0.2, 2), items([1]), items([1]))
    change(folders[1] / "base/items.jsonl", lambda rows: rows[0].update(doc_hash="x"))
    with pytest.raises(UserError, match="doc_hash differs"):
        published.publish(*folders, SETTINGS, "", tmp_path / "rows")
    assert not (tmp_path / "rows").exists()


def test_the_texts_of_outsiders_stay_with_them(tmp_path):
    """Keys that no statistic needs are not carried along."""
    rows = [row | {"prompt": "a secret"} for row in invented(0.5, 1)]
    answers = [row | {"question": "a secret"} for row in items([1, 0])]
    published.publish(*run(tmp_path, rows, rows, answers, answers), SETTINGS, "",
                      tmp_path / "rows")
    for file in (tmp_path / "rows/xplus").glob("*.gz"):
        assert b"secret" not in gzip.decompress(file.read_bytes())
    assert results.published_translations(tmp_path / "rows/base").meta["languages"] == LANGUAGES


CHOICES = {"loglik": [-1.5, -2], "chars": [3, 4], "gold": 1, "n_choices": 2,
           "guess": dict.fromkeys(("first", "last", "shortest", "longest", "frequent"), False)}


def chosen(**spoil):
    rows = [row | CHOICES for row in items([1, 0, 1])]
    rows[1] = {key: value for key, value in (rows[1] | spoil).items() if value is not None}
    return rows


def test_items_answered_by_likelihood_are_read(tmp_path):
    found = results.answers(write(tmp_path / "xplus", "items.jsonl", chosen()))
    assert [row["loglik"] for row in found.rows.values()] == [[-1.5, -2]] * 3


@pytest.mark.parametrize(("spoil", "message"), [
    ({"loglik": None}, "loglik, chars, guess stand together.* here chars, guess"),
    ({"loglik": None, "chars": None, "guess": None}, "stand together.* here none"),
    ({"loglik": [-1.5]}, "loglik .* is not a log-probability for each of 2"),
    ({"loglik": [-1.5, 10**400]}, "loglik"), ({"loglik": [-1.5, True]}, "loglik"),
    ({"loglik": "x"}, "loglik"), ({"gold": 2}, "gold 2 none of them"), ({"gold": None}, "gold"),
    ({"n_choices": 3}, "each of 3 choices"), ({"chars": [0, 4]}, "chars"),
    ({"chars": [3.5, 4]}, "chars"), ({"chars": 3}, "chars"), ({"guess": {"first": True}}, "guess"),
    ({"guess": CHOICES["guess"] | {"first": 1}}, "guess"), ({"guess": []}, "guess")])
def test_strange_choices_are_refused(tmp_path, spoil, message):
    folder = write(tmp_path / "xplus", "items.jsonl", chosen(**spoil))
    with pytest.raises(UserError, match=rf"items\.jsonl:2: .*{message}"):
        results.answers(folder)


@pytest.mark.parametrize("value", [False, {}, {"top1": 1}, {"other": False},
                                   {"top1": False}, [False], None])
def test_off_target_has_one_form(tmp_path, value):
    rows = invented(0.5, 1)
    rows[3]["off_target"] = value
    with pytest.raises(UserError, match=r"segments\.jsonl:4: .*off_target"):
        results.translations(write(tmp_path / "xplus", "segments.jsonl", rows))
