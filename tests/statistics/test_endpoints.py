"""One hash over what is fixed beforehand: what moves an endpoint moves it, nothing else does."""

import pytest

from stages.statistics.endpoints import SETTINGS, endpoints

FIXED = {name: 1 for name in SETTINGS}
TASKS = {"physics": {"metric": "acc", "carries": True}}
ITEMS = {"physics": [("a", "b", "1"), ("c", "d", "2")]}
SEGMENTS = {"swh_Latn-eng_Latn": [("t:1", "e", "doc"), ("t:2", "f", "doc")]}
BEFORE = endpoints(FIXED, TASKS, ITEMS, SEGMENTS)


def test_order_and_what_is_not_covered_change_nothing():
    assert endpoints(dict(reversed((FIXED | {"endpoints_sha256": BEFORE, "other": 2}).items())),
                     {"physics": TASKS["physics"] | {"n": 5}},
                     {"physics": ITEMS["physics"][::-1]},
                     {name: set(keys) for name, keys in SEGMENTS.items()}) == BEFORE


@pytest.mark.parametrize("name", SETTINGS)
def test_every_covered_setting_counts(name):
    assert endpoints(FIXED | {name: 2}, TASKS, ITEMS, SEGMENTS) != BEFORE
    assert endpoints({key: FIXED[key] for key in FIXED if key != name}, TASKS, ITEMS,
                     SEGMENTS) != BEFORE


@pytest.mark.parametrize(("tasks", "items", "segments"), [
    ({"physics": {"metric": "acc_norm", "carries": True}}, ITEMS, SEGMENTS),
    ({"physics": {"metric": "acc", "carries": False}}, ITEMS, SEGMENTS),
    (TASKS, {"physics": ITEMS["physics"][:1]}, SEGMENTS),
    (TASKS, {"physics": [("a", "b", "1"), ("c", "d", "1")]}, SEGMENTS),
    (TASKS, ITEMS, {"swh_Latn-eng_Latn": [("t:1", "e", "doc"), ("t:2", "g", "doc")]}),
    (TASKS, ITEMS, {"swh_Latn-eng_Latn": [("t:1", "e", "doc"), ("t:2", "f", "other")]}),
    (TASKS, ITEMS, {**SEGMENTS, "eng_Latn-swh_Latn": []})])
def test_tasks_items_segments_and_their_units_count(tasks, items, segments):
    assert endpoints(FIXED, tasks, items, segments) != BEFORE
