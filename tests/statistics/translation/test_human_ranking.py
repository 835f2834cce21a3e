"""Agreement of metrics with people, on invented differences whose answer is known."""

import pytest
from scipy import stats

from stages.statistics.translation import human_ranking

# deltas in standard errors of 1, many degrees of freedom; people's p; what has to come out.
INVENTED = [
    (6.0, 0.001, "same order, significant"), (-6.0, 0.05, "opposite order, significant"),
    (1.0, 0.01, "same order, not significant"), (-1.0, 0.01, "opposite order, not significant"),
    (5.0, None, "same order, significant"), (2.2, None, "same order, not significant")]


def invented(cases=INVENTED):
    return [{"better": f"a{n}", "worse": f"b{n}", "human": {"z": 0.1, "p_below": people},
             "by": {"m": {"delta": delta, "se": 1.0, "df": 1e6}}}
            for n, (delta, people, *_) in enumerate(cases)]


def test_every_kind_of_agreement_is_told_apart():
    found = human_ranking.judged(invented(), 0.05)
    assert [pair["by"]["m"]["says"] for pair in found["pairs"]] == [
        says for *_, says in INVENTED]
    assert found["agreement"] == [{
        "metric": "m", "pairs": 6, "same_order": 4,
        "separated": {"pairs": 4, "same order, significant": 1, "same order, not significant": 1,
                      "opposite order, significant": 1, "opposite order, not significant": 1},
        "together": {"pairs": 2, "same order, significant": 1, "same order, not significant": 1,
                     "opposite order, significant": 0, "opposite order, not significant": 0}}]


def test_holm_runs_over_all_pairs():
    """2.2 standard errors are significant alone, not among six pairs."""
    alone = human_ranking.tested(invented([INVENTED[-1]]), 0.05)[0]["by"]["m"]
    assert alone["p"] == pytest.approx(2 * stats.norm.sf(2.2), rel=1e-4)
    assert alone["says"] == "same order, significant"
    among = human_ranking.tested(invented(), 0.05)[-1]["by"]["m"]
    assert among["p"] == alone["p"]
    assert among["p_holm"] == pytest.approx(3 * alone["p"])  # two of six are left behind it
    assert among["ci"] == pytest.approx([2.2 - 1.96, 2.2 + 1.96], abs=1e-3)


def test_a_planted_reversal_moves_one_count():
    cases = [list(case) for case in INVENTED]
    before = human_ranking.judged(invented(cases), 0.05)["agreement"][0]["separated"]
    cases[0][0] = -6.0
    after = human_ranking.judged(invented(cases), 0.05)["agreement"][0]["separated"]
    assert {key: after[key] - before[key] for key in after if after[key] != before[key]} == {
        "same order, significant": -1, "opposite order, significant": 1}


def test_identical_systems_have_no_order_and_no_p():
    pairs = invented()
    pairs[0]["by"]["m"] |= {"delta": 0.0, "se": 0.0}
    found = human_ranking.judged(pairs, 0.05)
    assert (found["pairs"][0]["by"]["m"]["p"], found["pairs"][0]["by"]["m"]["says"]) == (
        None, "no order, not significant")
    assert found["agreement"][0]["separated"]["no order, not significant"] == 1
    assert found["agreement"][0]["same_order"] == 3


def test_judged_again_is_the_same_and_the_input_is_left_alone():
    pairs = invented()
    found = human_ranking.judged(pairs, 0.05)
    assert pairs == invented()
    assert human_ranking.judged(found["pairs"], 0.05) == found
    assert human_ranking.judged([], 0.05) == {"pairs": [], "agreement": []}
