"""The table that says what each method is worth at a run's documents."""

import numpy as np

from stages.statistics import clusters
from stages.statistics.translation import estimates, level
from tests.statistics.translation.corpora import INTO, OUT_OF, corpus, means


def data_of(*sizes):
    documents = np.repeat(np.arange(len(sizes)), sizes)
    scores = np.random.default_rng(1).normal(50, 10, (2, 2, len(documents)))
    return corpus({"comet22": means(scores)}, documents, directions=(INTO, OUT_OF))


def rows_of(data):
    return estimates.groups(data.directions, {})


def levels(data):
    return level.levels(data, rows_of(data), 0.05, 2000, 1)


def test_sentences_fail_and_the_headline_holds():
    rows, notes = levels(data_of(1, 1, 2, 3, 3, 6, 6, 7, 7, 17, 20, 23, 24))
    assert [row["icc"] for row in rows] == [0, 0.05, 0.1, 0.2]
    assert rows[-1]["sentences"] > 25
    assert all(row["holds"] in ("holds", "conservative") for row in rows)
    assert all(row["coverage"] == 100 - row["jackknife"] for row in rows)
    assert "13 documents of 1 to 24 segments, worth 7.2 of equal size" in notes[0]
    assert len(notes) == 1


def test_where_no_method_holds_the_table_says_so(monkeypatch):
    monkeypatch.setattr(clusters, "rejections", lambda *_: dict.fromkeys(
        ("sentences", "bootstrap", "jackknife", "swaps"), 0.1))
    rows, notes = levels(data_of(5, 5, 5))
    assert {row["holds"] for row in rows} == {"too often"}
    assert "No method holds at these documents" in notes[1]


def test_the_row_with_the_fewest_effective_documents_is_simulated():
    data = data_of(10, 10, 10, 10)
    data.present[1, 22:] = 0  # out of English: documents of 10, 10 and 2
    assert list(level.fewest(data, rows_of(data))) == [10, 10, 2]
    data.present[1, 10:] = 0  # one document: not tested, so not simulated either
    assert list(level.fewest(data, rows_of(data))) == [10, 10, 10, 10]


def test_more_documents_may_be_worth_less():
    data = data_of(30, 12, 4, 4, 10, 10, 10)
    data.present[0, :50] = 0  # into English: three documents of 10, worth three
    data.present[1, 50:] = 0  # out of English: four documents, worth 2.3
    assert list(level.fewest(data, rows_of(data))) == [30, 12, 4, 4]


def test_translations_of_a_sentence_are_no_further_sentences():
    data = data_of(4, 6, 8)
    assert list(level.fewest(data, rows_of(data))) == [4, 6, 8]


def test_one_document_leaves_nothing_to_simulate():
    rows, notes = levels(data_of(20))
    assert rows == []
    assert "nothing is tested" in notes[0]


def test_the_same_documents_give_the_same_numbers():
    assert levels(data_of(5, 9, 12)) == levels(data_of(5, 9, 12))
