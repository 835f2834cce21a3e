"""Rows of the translation table: the unit, what stands beside it, and what notes say."""

import numpy as np
import pytest

from stages.rows.segments import Metric
from stages.statistics import closed_forms
from stages.statistics.translation import analyse, compare, tables
from tests.statistics.translation.corpora import INTO, OUT_OF, SETTINGS, corpus, means
from tests.statistics.translation.simulated import BLEU, CHRF, MEAN, Cell, statistics

LANGUAGES = {"swh_Latn": {"resource": "low"}}


def compared(data, **settings):
    """Rows of the first contrast by metric, and its first table."""
    settings = SETTINGS | settings
    found, rows = analyse.analyse(data, LANGUAGES, settings)
    return next(iter(rows.values())), found


def scores(gain, ids=60, noise=5.0, seed=1, directions=1):
    rng = np.random.default_rng(seed)
    base = rng.normal(50, 10, (directions, ids))
    return np.stack([base + gain + rng.normal(0, noise, (directions, ids)), base])


def row_of(data, **settings):
    by_metric, _ = compared(data, **settings)
    return by_metric[data.metrics[0].name][0]


def test_eight_copies_of_a_sentence_are_one_document():
    once = scores(2.0, ids=30)
    copies = row_of(corpus({"comet22": means(np.repeat(once, 8, axis=2))},
                           np.repeat(np.arange(30), 8)))
    alone = row_of(corpus({"comet22": means(once)}, np.arange(30)))
    assert (copies["unit"], alone["unit"]) == ("documents", "sentences")
    for key in ("delta", "se", "ci", "p", "p_holm", "bound", "mde", "df"):
        assert copies[key] == pytest.approx(alone[key]), key
    assert (copies["ids"], copies["documents"]) == (240, 30)
    assert copies["effective_documents"] == pytest.approx(30)
    assert copies["icc"] == pytest.approx(1, abs=0.2)
    assert (alone["icc"], alone["p_documents"]) == (None, None)
    # Sentences take the copies for news.
    assert np.ptp(copies["ci_sentences"]) < 0.45 * np.ptp(copies["ci"])
    assert np.ptp(alone["ci_sentences"]) == pytest.approx(np.ptp(alone["ci"]), rel=0.15)


def test_interval_p_bound_and_detectable_difference_are_of_one_t():
    row = row_of(corpus({"comet22": means(scores(1.0))}, np.arange(60) // 5))
    low, high = row["ci"]
    assert low == pytest.approx(row["bound"])
    assert (low + high) / 2 == pytest.approx(row["delta"])
    assert row["p"] == closed_forms.two_sided_p(row["delta"], row["se"], row["df"])
    assert row["mde"] == closed_forms.detectable(row["se"], 0.05, row["df"])
    assert row["df"] == pytest.approx(row["effective_documents"] - 1)


def test_a_p_that_no_draw_reached_is_marked():
    far = row_of(corpus({"comet22": means(scores(20.0))}, np.arange(60) // 2))
    assert far["p_sentences"] == far["p_documents"] == 1 / 500
    assert far["at_resolution"] == ["p_documents", "p_sentences"]
    assert row_of(corpus({"comet22": means(scores(0.0))}, np.arange(60)))["at_resolution"] == []


def test_one_sided_tests_are_held_to_half_of_alpha():
    data = corpus({"comet22": means(scores(0.0))}, np.arange(60) // 3)
    row = row_of(data, equivalence={"comet22": 1.0})
    t = [margin for margin in np.arange(0.1, 5, 0.01)
         if 0.025 < closed_forms.noninferior_p(row["delta"], row["se"], row["df"], margin) <= 0.05]
    assert row_of(data, equivalence={"comet22": t[0]})["verdict"] == "inconclusive"
    assert row_of(data, equivalence={"comet22": 9.0})["verdict"] == "equivalent"


def test_identical_outputs_are_never_different():
    same = means(np.repeat(scores(0.0)[:1], 2, axis=0))
    row = row_of(corpus({"comet22": same}, np.arange(60) // 5))
    assert (row["delta"], row["p"], row["ci"]) == (0, 1, [0, 0])
    assert row["verdict"] == "n/a (identical outputs)"


@pytest.mark.parametrize(("documents", "why"), [
    ([0] * 60, "one document only"),
    ([0] * 55 + [1] * 5, "documents worth fewer than two of equal size")])
def test_too_few_documents_are_not_tested(documents, why):
    row = row_of(corpus({"comet22": means(scores(5.0))}, documents))
    assert row["verdict"] == f"n/a ({why})"
    assert {row[key] for key in ("ci", "se", "df", "p", "p_holm", "bound", "mde", "icc")} == {None}
    assert row["p_sentences"] == 1 / 500


def test_exchanging_the_systems_turns_the_difference_and_keeps_p():
    data = corpus({"comet22": means(scores(1.0))}, np.arange(60) // 5)
    ahead, back = row_of(data), row_of(data, contrasts=[["base", "xplus"]])
    assert back["delta"] == pytest.approx(-ahead["delta"])
    assert back["ci"] == pytest.approx([-end for end in reversed(ahead["ci"])])
    for key in ("p", "p_documents", "p_sentences"):
        assert back[key] == pytest.approx(ahead[key])


def test_directions_and_groups_are_families_of_their_own():
    data = corpus({"comet22": means(scores(1.0, directions=2))}, np.arange(60) // 5,
                  directions=(INTO, OUT_OF))
    rows = compared(data)[0]["comet22"]
    assert [row["direction"] for row in rows] == [INTO, OUT_OF, "into_eng", "out_of_eng",
                                                  "low_resource"]
    assert [row["p_holm"] for row in rows[:2]] == closed_forms.holm([row["p"] for row in rows[:2]])
    assert [row["p_holm"] for row in rows[2:]] == closed_forms.holm([row["p"] for row in rows[2:]])


def floored(name, signature, shuffled, copied):
    """A gain of 5 over base at 50, beside these floors."""
    metric = Metric(name, name, signature, MEAN.score)
    return corpus({name: means(scores(5.0))}, np.arange(60) // 5, metrics=[metric],
                  copied={name: means(np.full((1, 60), copied))},
                  shuffled={name: means(np.array(shuffled)[:, None, None] * np.ones((2, 1, 20)))})


def test_thresholds_say_nothing_at_a_floor():
    settings = {"equivalence": {"spbleu": 9.0}}
    for copied, shuffled, expected in ((5, (9, 5), True), (54.8, (9, 5), False),
                                       (5, (60, 5), False)):
        row = row_of(floored("spbleu", "tok:flores101", shuffled, copied), **settings)
        assert (row["agreement"] is not None) is expected
        assert (row["p_ni"] is not None) is (row["p_tost"] is not None) is expected
        assert row["verdict"] == "better"
    row = row_of(floored("spbleu", "tok:xlmr250k", (9, 5), 5), **settings)
    assert row["agreement"] is None
    assert row["p_ni"] is not None  # a margin is the settings' own


def test_notes_call_fluency_fluency_and_few_documents_few():
    data = floored("chrf++", "nw:2", (9, 5), 5)
    by_metric, found = compared(data)
    row = by_metric["chrf++"][0]
    assert row["kind"] == "fluency"
    assert row["survives"] == pytest.approx(4 / row["delta"])
    notes = " ".join(found[0]["notes"])
    assert "Fluency in the language, not translation: more than 50 % of the gain" in notes
    assert "Swahili → English, into English, low resource" in notes
    assert "No margin is set for chrf++" in notes
    assert "no curve is published for chrf++" in notes
    assert "Few documents" not in notes
    few = corpus({"comet22": means(scores(1.0))}, np.arange(60) // 8)
    assert "worth 7.8 equal ones" in " ".join(compared(few)[1][0]["notes"])


def test_metrics_agree_by_documents():
    """Sentences would call both gains; documents call one of them."""
    clear, doubtful = scores(3.0), np.repeat(scores(1.5, ids=6, noise=3.0, seed=4), 10, axis=2)
    metrics = [MEAN, MEAN._replace(name="other")]
    data = corpus({"comet22": means(clear), "other": means(doubtful)}, np.arange(60) // 10,
                  metrics=metrics)
    by_metric, found = compared(data)
    one, other = (by_metric[metric.name][0] for metric in metrics)
    assert (one["verdict"], other["verdict"]) == ("better", "inconclusive")
    assert max(one["p_sentences"], other["p_sentences"]) <= 0.05
    assert one["agree"] == other["agree"] == "partly"
    assert "documents do not bear out: Swahili → English" in " ".join(found[1]["notes"])


def test_agreement_compares_words_and_signs():
    def agree(*rows):
        by_metric = {str(n): [{"direction": "x", "delta": delta, "verdict": verdict}]
                     for n, (delta, verdict) in enumerate(rows)}
        compare.agreement(by_metric)
        return by_metric["0"][0]["agree"]

    assert agree((1, "better"), (2, "better")) == "yes"
    assert agree((1, "better"), (2, "inconclusive")) == "partly"
    assert agree((1, "better"), (-2, "inconclusive")) == "no"
    assert agree((1, "better")) is None


def test_flags_are_shares_of_segments_that_are_there():
    data = corpus({"comet22": means(scores(1.0))}, np.arange(60) // 5)
    flags = {flag: np.zeros((3, 1, 60), dtype=bool) for flag in ("empty", "copy", "truncated")}
    flags["empty"][0, 0, :6] = True
    data = data._replace(flags=flags)
    assert row_of(data)["empty_system"] == pytest.approx(10)
    data.present[0, 30:] = 0
    assert compare.flags(data, compare.Group(INTO, [0]), (0, 1))["empty_system"] == (
        pytest.approx(20))


@pytest.mark.parametrize("metric", [CHRF, BLEU], ids=["chrF++", "BLEU"])
def test_every_column_of_every_table_is_in_every_row(metric):
    cell = Cell(8, False, 0.1, metric)
    table = statistics(cell.generator("table"), cell, 1, gap=0.2)
    count = table.shape[2]
    sums = np.repeat(table.sum(2)[:, :, None], 20, axis=2)
    sums[..., 2::3] *= 0.1
    data = corpus({metric.name: table}, np.repeat(np.arange(8), cell.sizes()), metrics=[metric],
                  shuffled={metric.name: sums},
                  off={"top1": np.zeros((2, 1, count), dtype=bool)})
    _, found = compared(data)
    assert [table["about"]["kind"] for table in found] == [
        "translation", "off_target", "floors", "level"]
    for table in found:
        assert table["title"] and table["says"] and table["cannot"]
        for row in table["rows"]:
            assert {column["key"] for column in table["columns"]} <= set(row)


def test_directions_and_groups_in_words():
    assert tables.place("swh_Latn-eng_Latn") == "Swahili → English"
    assert tables.place("out_of_eng") == "out of English"
    assert tables.place("xxx-yyy") == "xxx-yyy"


def test_draws_are_named_after_the_ids_and_nothing_else():
    data = corpus({"comet22": means(scores(1.0, directions=2))}, np.arange(60) // 5,
                  directions=(INTO, OUT_OF))
    keys = ("ci_sentences", "p_sentences", "p_documents")
    alone = corpus({"comet22": data.statistics["comet22"][:2, :1]}, data.documents)
    both, one, renamed = (row_of(found) for found in (
        data, alone, alone._replace(ids=[f"other {name}" for name in alone.ids])))
    assert all(both[key] == one[key] for key in keys)
    assert all(renamed[key] != one[key] for key in keys)
