"""params.yaml: types as DVC sees them, clear refusals."""

import re

import pytest

from stages.common import layer_choice, params
from stages.common.errors import UserError

TEXT = """
scale: small
suite: quick
layers:
  bottom: 1
  top: 2
  skip: []
lr: 1e-5
country: no
scales:
  small:
    model: {name: Toy, depth: 4, system: You are helpful}
    train: {lr: 2e-05}
suites:
  quick:
    eval_mt: {batch: 3}
systems:
  a: {weights: w, system: ""}
  b: {weights: w, system: model}
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(TEXT)
    return tmp_path / "params.yaml"


def test_yaml_1_2_types(file):
    assert params.get("lr") == 1e-5
    assert params.get("country") == "no"
    assert params.scaled("train.lr") == 2e-5
    assert params.suite("eval_mt.batch") == 3


def test_a_system_is_its_description_with_the_turn_filled_in(file):
    assert params.system("a")["system"] == ""
    assert params.system("b") == {"weights": "w", "system": "You are helpful"}
    with pytest.raises(UserError, match="systems has no 'c', only a, b"):
        params.system("c")


@pytest.mark.parametrize(("change", "message"), [
    (("top: 2", "top: 4"), "overlap or exceed the model: it has 4 layers.*Toy"),
    (("scale: small", "scale: huge"), "'huge' is not one of small"),
    (("suite: quick", "suite: slow"), "'slow' is not one of quick"),
    (("suite: quick\n", ""), "suite: None is not one of quick"),
    (("lr: 1e-5", "lr: [1"), "params.yaml"),
])
def test_an_impossible_file_stops_before_any_work(file, change, message):
    file.write_text(TEXT.replace(*change))
    with pytest.raises(UserError, match=f"(?s){message}"):
        params.get("lr")


def test_a_missing_key_or_file_is_named(file):
    with pytest.raises(UserError, match=r"no key 'train\.batch'"):
        params.get("train.batch")
    file.unlink()
    with pytest.raises(UserError, match="root of the repository"):
        params.get("lr")


@pytest.mark.parametrize(("bottom", "top", "skip", "message"), [
    (4, 27, [], "it has 30 layers"),
    (31, 0, [], "it has 30 layers"),
    (-1, 15, [], "bottom must be a whole number"),
    (4, 2.5, [], "top must be a whole number"),
    (True, 15, [], "bottom must be a whole number"),
    (4, 15, [14], r"skip \[14\] is not among the top 15 layers 15-29 of 30"),
])
def test_impossible_choices_name_the_depth(bottom, top, skip, message):
    assert re.search(message, layer_choice.impossible(bottom, top, skip, 30))


def test_all_layers_at_once_is_possible():
    assert layer_choice.impossible(15, 15, [], 30) is None
