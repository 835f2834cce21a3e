"""Splits of test text by a hash."""

from collections import Counter

from stages.corpus import parallel


def test_side_is_a_property_of_the_text_and_near_its_share():
    sides = Counter(parallel.side(f"Sentence {n}", 0.4) for n in range(2000))
    assert 740 < sides["dev"] < 860
    assert parallel.side("Sentence 1", 0.4) == parallel.side("Sentence 1", 0.4)


def test_a_group_goes_where_one_of_its_texts_goes_whatever_the_order():
    texts = ["Save the file now", "Save the file later", "Save the files now", "Other words here"]
    rows = [({"id": f"t:{n}", "src": text, "tgt": f"{n}{n}{n}{n} x{n}", "tgt_lang": "spa_Latn"},
             "document") for n, text in enumerate(texts)]
    found, moves = parallel.splits(rows, 0.5, 4, 0.5)
    assert found == parallel.splits(rows[::-1], 0.5, 4, 0.5)[0]
    assert {found[f"t:{n}"] for n in range(3)} == {parallel.side(min(texts[:3]), 0.5)}
    assert found["t:3"] == parallel.side(texts[3], 0.5)
    assert (moves["groups"], moves["grouped"]) == (1, 3)


def test_the_publishers_split_begins_the_documents_name():
    rows = [({"id": f"t:{n}", "src": "Same text"}, document)
            for n, document in enumerate(["dev.https://en.wikinews.org/a", "devtest"])]
    assert parallel.splits(rows, None, 4, 0.5) == (
        {"t:0": "dev", "t:1": "devtest"}, {"groups": 0, "grouped": 0, "moved": 0})
