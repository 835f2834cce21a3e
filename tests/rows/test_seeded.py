"""Generators depend on seed and name alone."""

from stages.rows.seeded import generator


def test_one_seed_repeats_and_names_separate():
    draws = [generator(1, "task", name).random() for name in ("a", "a", "b")]
    assert draws[0] == draws[1] != draws[2]
    assert generator(0, "a").random() != generator(1, "a").random()
