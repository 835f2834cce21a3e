"""Splits of test text by a hash."""

from collections import Counter

from stages.corpus import parallel


def test_side_is_a_property_of_the_text_and_near_its_share():
    sides = Counter(parallel.side(f"Sentence {n}", 0.4) for n in range(2000))
    assert 740 < sides["dev"] < 860
    assert parallel.side("Sentence 1", 0.4) == parallel.side("Sentence 1", 0.4)


def test_a_group_goes_where_one_of_its_texts_goes_whatever_the_order():
    texts = ["Save the file now", "Save the file later", "Save the files now", "Other words here"]
    rows = [{"id": f"t:{n}", "src": text, "tgt": f"{n}{n}{n}{n} x{n}", "tgt_lang": "spa_Latn"}
            for n, text in enumerate(texts)]
    found, moves = parallel.splits(rows, 0.5, 4, 0.5)
    assert found == parallel.splits(rows[::-1], 0.5, 4, 0.5)[0]
    assert {found[f"t:{n}"] for n in range(3)} == {parallel.side(min(texts[:3]), 0.5)}
    assert found["t:3"] == parallel.side(texts[3], 0.5)
    assert (moves["groups"], moves["grouped"]) == (1, 3)
