"""The plan's formulas against counted operations and published sizes; what does not fit stops."""

import json
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML
from transformers import Qwen3Config, Qwen3ForCausalLM

from stages.comet.checkpoints import METRICS
from stages.common.errors import UserError
from stages.experiments import plan

ROOT = Path(__file__).parents[2]

EIGHT = {"hidden": 4096, "intermediate": 12288, "heads": 32, "kv_heads": 8, "head_dim": 128,
         "vocab": 151936, "tied": False}
FOURTEEN = EIGHT | {"hidden": 5120, "intermediate": 17408, "heads": 40}
BLOCK = {
    "bytes": 2, "shape": EIGHT, "raw_pairs": 25e6, "pair_bytes": 436, "train_tokens": 0.8e9,
    "pairs_per_core_second": {"format": 46000, "dedup": 46000, "langid": 3000},
    "kept_share": {"format": 1.0, "dedup": 0.8, "langid": 0.6, "qe": 0.3}, "data_memory_gib": 8,
    "filter": {"parameters": 302e6, "tokens": 80}, "judge": {"parameters": 3.5e9, "tokens": 245},
    "eval_mt": {"systems": 1, "directions": 202, "segments": 1012, "answer_tokens": 60,
                "tokens_per_second": 14500, "cached_tokens": 64 * 512},
    "eval_reason": {"systems": 1, "tokens": 1e6}, "lora_rank": 64,
    "machine": {"gpus": 1, "gpu_gib": 80, "flops": 989e12, "use": 0.4, "memory_gib": 128,
                "disk_gib": 200, "gpu_hour_price": 2.0}}
BOTTOM, TOP = range(4), range(21, 36)


def by_name(costs):
    return {cost.stage: cost for cost in costs}


@pytest.mark.parametrize(("shape", "depth", "layers", "gflop", "trained", "gib", "hours"), [
    (EIGHT, 36, range(4), 31.8, 0.77e9, 26.8, 17.9),
    (EIGHT, 36, range(21, 36), 28.0, 2.89e9, 58.4, 15.7),
    (FOURTEEN, 40, range(4), 58.6, 1.32e9, 47.2, 32.9),
    (FOURTEEN, 40, range(25, 40), 49.4, 4.96e9, 101, 27.7)])
def test_training_costs_what_the_table_of_sizes_says(shape, depth, layers, gflop, trained, gib,
                                                     hours):
    """Counted for Qwen3-8B and 14B by torch's flop counter on a meta device."""
    cost = plan.training("s", BLOCK | {"shape": shape}, depth, layers)
    assert cost.flop / BLOCK["train_tokens"] == pytest.approx(gflop * 1e9, rel=0.01)
    assert cost.disk / 4 == pytest.approx(trained, rel=0.01)
    assert cost.memory / plan.GIB == pytest.approx(gib, rel=0.01)
    assert plan.hours(cost, BLOCK["machine"]) == (0.0, pytest.approx(hours, rel=0.01))


@pytest.mark.parametrize("layers", [[0, 1], [4, 5], [3], [0, 1, 2, 3, 4, 5]])
def test_operations_are_those_that_torch_counts(layers):
    from torch.utils.flop_counter import FlopCounterMode

    shape = {"hidden": 128, "intermediate": 256, "heads": 4, "kv_heads": 2, "head_dim": 32,
             "vocab": 500, "tied": False}
    model = Qwen3ForCausalLM(Qwen3Config(
        vocab_size=500, hidden_size=128, intermediate_size=256, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, num_hidden_layers=6, tie_word_embeddings=False))
    for name, parameter in model.named_parameters():
        parameter.requires_grad = any(name.startswith(f"model.layers.{n}.") for n in layers)
    ids = torch.ones(8, 4, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(ids).logits.sum().backward()
    cost = plan.training("s", BLOCK | {"shape": shape, "train_tokens": 32}, 6, layers)
    # 2 %: attention scores; and the lowest layer needs no gradient of its own input.
    lowest = 2 * 32 * plan.layer_size(shape)
    assert cost.flop - lowest <= counter.get_total_flops() <= cost.flop * 1.02
    assert cost.disk == pytest.approx(4 * sum(
        p.numel() for p in model.parameters() if p.requires_grad), rel=0.01)


def test_every_stage_by_hand():
    found = by_name(plan.stages(BLOCK, 36, BOTTOM, TOP))
    machine = BLOCK["machine"]
    assert plan.hours(found["langid"], machine)[0] == pytest.approx(25e6 / 3000 / 3600)
    # CometKiwi-22 at 80 tokens a pair: 0.85 GPU hours for 25M pairs on an H100 at 40 %.
    assert plan.hours(found["qe"], machine)[1] == pytest.approx(0.85 * 0.6, rel=0.02)
    # 202 directions of FLORES at 14.5k tokens/s: 14 minutes; XCOMET-XL 0.25 hours.
    assert plan.hours(found["eval_mt"], machine)[1] == pytest.approx(14 / 60, rel=0.02)
    assert plan.hours(found["eval_mt, judge"], machine)[1] == pytest.approx(0.25, rel=0.02)
    assert found["download"].disk == pytest.approx(
        2 * 8.19e9 + 25e6 * 436 + 4 * (302e6 + 3.5e9), rel=0.001)
    assert found["eval_mt"].memory - found["eval_reason"].memory == 36 * 2 * 8 * 128 * 2 * 32768
    assert found["eval_reason"].flop == pytest.approx(2 * 8.19e9 * 1e6, rel=0.001)


def test_arms_of_the_training():
    found = by_name(plan.arms(BLOCK, 36, BOTTOM, TOP))
    per_token = {name: cost.flop / BLOCK["train_tokens"] / 1e9 for name, cost in found.items()}
    assert per_token["all parameters"] == pytest.approx(45.4, rel=0.01)
    assert per_token["layer 20 alone"] < per_token["both ends in one stage"]
    assert found["all parameters"].memory / plan.GIB == pytest.approx(137, rel=0.01)
    assert found["LoRA, rank 64"].disk / 4 == pytest.approx(174.6e6, rel=0.01)  # as peft counts


def test_without_gpus_the_cores_do_it_all():
    machine = BLOCK["machine"] | {"gpus": 0, "flops": 1e11}
    cost = plan.training("s", BLOCK, 36, TOP)
    core, gpu = plan.hours(cost, machine)
    assert gpu == 0 and core == pytest.approx(cost.flop / 4e10 / 3600)


@pytest.mark.parametrize(("change", "message"), [
    ({"disk_gib": 40}, r"the run writes \d+\.\d+ GiB, the disk has 40\. Use a larger one"),
    ({"gpu_gib": 48}, r"train_s2 needs 58\.\d+ GiB of GPU memory, the machine has 48\."),
    ({"gpus": 0, "memory_gib": 32}, r"train_s2 needs 58\.\d+ GiB of memory"),
    ({"memory_gib": 4}, r"format needs 8\.00 GiB of memory, the machine has 4\.")])
def test_what_does_not_fit_is_refused(change, message):
    costs = plan.stages(BLOCK, 36, BOTTOM, TOP)
    plan.refuse(costs, BLOCK["machine"])
    plan.refuse(costs, BLOCK["machine"] | {"gpus": 2, "gpu_gib": 40})
    with pytest.raises(UserError, match=message):
        plan.refuse(costs, BLOCK["machine"] | change)


def test_the_command_prints_and_refuses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for skip, machine in (([], {}), ([21], {"gpu_gib": 40})):
        (tmp_path / "params.yaml").write_text(json.dumps({
            "scale": "p", "suite": "p", "suites": {"p": {
                "download": {"judges": {"metrics": ["xcomet-xl"]}},
                "format": {"test": {"lines": 1012, "documents": None}}, "eval_mt": {
                    "languages": ["eng_Latn", "swh_Latn"], "pivots": ["eng_Latn"],
                    "segments": None}}}, "machine": {},
            "layers": {"bottom": 4, "top": 15, "skip": skip}, "scales": {"p": {
                "model": {"name": "Qwen3-8B", "depth": 36}, "format": {"languages": {}},
                "plan": BLOCK | {"machine": BLOCK["machine"] | machine}}}}))
        if machine:
            with pytest.raises(UserError, match="train_s2 needs 55"):  # a layer less
                plan.main()
        else:
            plan.main()
    printed = capsys.readouterr().out
    assert "Qwen3-8B" in printed and "layer 20 alone" in printed
    assert "eval_mt, xcomet-xl" in printed
    price = 2 * plan.hours(plan.training("", BLOCK, 36, TOP), BLOCK["machine"])[1]
    assert f"{price:.2f}" in printed


def test_directions_and_segments_are_those_of_the_suite():
    suite = {"languages": None, "pivots": ["eng_Latn"], "segments": None}
    names = [f"l{n}" for n in range(101)]
    found = plan.translated(BLOCK, suite, names, 1012)
    assert (found["directions"], found["segments"]) == (202, 1012)
    pivots = plan.translated(BLOCK, suite | {"languages": ["eng_Latn", "a", "b"], "pivots": [
        "eng_Latn", "a"], "segments": 40}, names, 1012)
    assert (pivots["directions"], pivots["segments"]) == (6, 40)
    assert plan.translated(BLOCK, suite, names, None)["segments"] == BLOCK["eval_mt"]["segments"]


def test_every_judge_is_a_row_and_all_have_a_size():
    found = by_name(plan.stages(BLOCK | {"judges": {"a": 1e9, "b": 2e9}}, 36, BOTTOM, TOP))
    alone = by_name(plan.stages(BLOCK | {"judges": {"a": 1e9}}, 36, BOTTOM, TOP))
    assert found["eval_mt, b"].flop == 2 * found["eval_mt, a"].flop == 2 * alone[
        "eval_mt, a"].flop
    assert found["download"].disk - alone["download"].disk == 8e9
    assert not [name for name in by_name(plan.stages(BLOCK | {"judges": {}}, 36, BOTTOM, TOP))
                if name.startswith("eval_mt,")]
    assert set(plan.JUDGES) == set(METRICS)


SHIPPED = YAML(typ="safe").load((ROOT / "params.yaml").read_text())


@pytest.mark.parametrize(("scale", "suite"), [
    *((scale, "paper") for scale in SHIPPED["scales"] if scale.startswith("paper")),
    ("desk", "desk"), ("desk", "standard"), ("tiny", "tiny")])
def test_every_shipped_scale_can_be_planned(scale, suite, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(json.dumps(SHIPPED | {"scale": scale, "suite": suite}))
    plan.main()
    out = capsys.readouterr().out
    assert SHIPPED["scales"][scale]["model"]["name"] in out and "train_s2" in out
