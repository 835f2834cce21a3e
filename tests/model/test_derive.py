"""Systems made without training."""

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.common.errors import UserError
from stages.model import system, weights
from stages.model.derive import derived, rounded
from stages.training import sft
from tests import stage_fixture


def by_hand(row: np.ndarray) -> np.ndarray:
    """Q4_1 of one block of 32, from its definition."""
    low, scale = row.min(), (row.max() - row.min()) / np.float32(15)
    codes = np.clip(np.floor((row - low) / scale + np.float32(0.5)), 0, 15)
    return codes.astype(np.float32) * np.float32(np.float16(scale)) + np.float32(np.float16(low))


def test_q4_1_is_its_definition():
    matrix = np.random.default_rng(1).normal(size=(5, 96)).astype(np.float32)
    blocks = [by_hand(block) for block in matrix.reshape(-1, 32)]
    found = rounded(torch.from_numpy(matrix), "q4_1")
    assert found.numpy() == pytest.approx(np.stack(blocks).reshape(5, 96), abs=1e-6)
    assert torch.equal(rounded(found, "q4_1"), found)
    assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q4_1][0] == 32


@pytest.fixture(scope="module")
def chain(tiny_model, tmp_path_factory):
    """A base whose layer matrices are rounded, as the desk's are, and layers 1 and 4 tuned."""
    folder = tmp_path_factory.mktemp("derive")
    network, tokenizer = weights.load(tiny_model)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim == 2 and "layers" in name:
                parameter.copy_(rounded(parameter, "q4_1"))
    for part in (network, tokenizer):
        part.save_pretrained(folder / "base")
    files = (stage_fixture.pairs(folder / "pairs.jsonl", 4),
             stage_fixture.pairs(folder / "dev.jsonl", 2, split="dev"))
    for parent, name, layers in (("base", "s1", [1]), ("s1", "s2", [4])):
        sft.train(folder / parent, *files, folder / name, layers, 6, stage_fixture.SETTINGS, None,
                  stage_fixture.MACHINE)
    return folder


def tensors(chain, derive=None, dtype="float32"):
    described = {"base": chain / "base", "parent": chain / "s1", "weights": chain / "s2",
                 "dtype": dtype, "derive": derive}
    return system.load(described, "cpu")[0].state_dict()


def differing(one, other):
    return {name for name in one if one[name].numpy().tobytes() != other[name].numpy().tobytes()}


def test_the_ends_are_the_base_and_the_tuned_model_bit_for_bit(chain):
    base, tuned = weights.load(chain / "base")[0].state_dict(), tensors(chain)
    assert differing(base, tuned)
    for derive in ({"revert": [1, 4]}, {"interpolate": 0.0}, {"keep": []}):
        assert differing(tensors(chain, derive), base) == set()
    for derive in (None, {"revert": []}, {"interpolate": 1.0}, {"keep": [1, 4]},
                   {"scale_by_depth": [1.0, 1.0]}):
        assert differing(tensors(chain, derive), tuned) == set()


def test_a_reverted_layer_is_the_bases_and_the_other_stays(chain):
    base, tuned, made = weights.load(chain / "base")[0].state_dict(), tensors(chain), tensors(
        chain, {"revert": [4]})
    assert {name.split(".")[2] for name in differing(made, base)} == {"1"}
    assert {name.split(".")[2] for name in differing(made, tuned)} == {"4"}
    assert differing(tensors(chain, {"keep": [1]}), made) == set()


def test_changes_are_scaled_linearly(chain):
    base, tuned = weights.load(chain / "base")[0].state_dict(), tensors(chain)
    for derive, factors in (({"interpolate": 0.25}, {1: 0.25, 4: 0.25}),
                            ({"scale_by_depth": [0.0, 1.0]}, {1: 0.2, 4: 0.8}),
                            ({"scale_by_depth": [0.0, 1.0], "interpolate": 0.5},
                             {1: 0.1, 4: 0.4})):
        made = tensors(chain, derive)
        for layer, factor in factors.items():
            name = f"model.layers.{layer}.mlp.up_proj.weight"
            torch.testing.assert_close(made[name] - base[name],
                                       factor * (tuned[name] - base[name]), atol=1e-6, rtol=0)


def test_rounding_again_rounds_what_the_base_had_rounded_and_no_more(chain):
    base, tuned = weights.load(chain / "base")[0].state_dict(), tensors(chain)
    made = tensors(chain, {"round": "q4_1"})
    moved = differing(made, tuned)
    assert moved == {name for name in differing(tuned, base) if tuned[name].ndim == 2
                     and tuned[name].shape[1] % 32 == 0} and moved
    for name in moved:
        assert torch.equal(made[name], rounded(tuned[name], "q4_1"))
    assert derived(base, {name: made[name] for name in moved}, {"round": "q4_1"}, "model.layers",
                   6).keys() == moved


def test_a_base_that_was_never_rounded_is_left_alone(tiny_model, capsys):
    base = load_file(tiny_model / "model.safetensors")
    tuned = {name: tensor + 0.1 for name, tensor in base.items()}
    assert derived(base, tuned, {"round": "q4_1"}, "model.layers", 6) == tuned
    assert f"derive: 0 of {len(tuned)} changed tensors rounded" in capsys.readouterr().err


def test_the_type_is_taken_after_the_arithmetic(chain):
    wide, narrow = (tensors(chain, {"interpolate": 0.3}, dtype) for dtype in
                    ("float32", "bfloat16"))
    assert all(torch.equal(wide[name].bfloat16(), narrow[name]) for name in wide)


def test_an_unknown_step_is_refused(chain):
    with pytest.raises(UserError, match=r"derive: \['prune'\] is not among revert, keep"):
        tensors(chain, {"prune": 0.5})


def test_a_tensor_that_the_base_lacks_is_refused(chain, tmp_path):
    import shutil

    shutil.copytree(chain / "s1", tmp_path / "s1")
    save_file({"model.layers.9.x": torch.zeros(1)}, tmp_path / "s1/layers.safetensors")
    with pytest.raises(UserError, match=r"holds tensors that .* does not have: \['model.layers.9"):
        weights.load(tmp_path / "s1")
