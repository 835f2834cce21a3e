"""The proof behind the recipe: which tensors move, and that nothing else does."""

import csv
import json
import math

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from stages.common import jsonl
from stages.common.errors import UserError
from stages.model import prompts, weights
from stages.training import sft
from tests.stage_fixture import MACHINE
from tests.stage_fixture import TRAIN as SETTINGS


def pair(number: int, **extra) -> dict:
    return {"id": f"t:{number}", "src": f"The cat number {number} sleeps.",
            "tgt": f"El gato número {number} duerme.", "src_lang": "eng_Latn",
            "tgt_lang": "spa_Latn", "origin": "test", **extra}


def train(parent, pairs, dev, out, layers, depth=6, seed=1):
    sft.train(parent, pairs, dev, out, layers, depth, SETTINGS, 1e-2, None, seed, MACHINE)


@pytest.fixture(scope="module")
def run(tiny_model, tmp_path_factory):
    """Both stages trained on eight pairs: layers 0-1, then 4-5 of the six."""
    folder = tmp_path_factory.mktemp("sft")
    for name, rows in (("pairs", [pair(n) for n in range(8)]),
                       ("dev", [pair(90 + n, split="dev") for n in range(3)])):
        with jsonl.writer(folder / f"{name}.jsonl") as write:
            for row in rows:
                write(row)
    arguments = (folder / "pairs.jsonl", folder / "dev.jsonl")
    train(tiny_model, *arguments, folder / "s1", [0, 1])
    train(folder / "s1", *arguments, folder / "s2", [4, 5])
    return folder


def layer(name: str) -> int | None:
    return int(name.split(".")[2]) if name.startswith("model.layers.") else None


def test_a_stage_stores_its_layers_and_nothing_else(run):
    for folder, layers in (("s1", {0, 1}), ("s2", {4, 5})):
        tensors = load_file(run / folder / "layers.safetensors")
        assert {layer(name) for name in tensors} == layers


def test_frozen_tensors_keep_every_bit_and_trained_ones_move(run, tiny_model):
    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype="float32").state_dict()
    tuned = weights.load(run / "s2")[0].state_dict()
    assert base.keys() == tuned.keys()
    for name in base:
        same = torch.equal(base[name], tuned[name])
        assert same != (layer(name) in {0, 1, 4, 5}), name


def test_stage_two_keeps_what_stage_one_trained(run):
    after_one = weights.load(run / "s1")[0].state_dict()
    after_two = weights.load(run / "s2")[0].state_dict()
    for name in after_one:
        if layer(name) in {0, 1}:
            assert torch.equal(after_one[name], after_two[name])


def test_optimizer_state_exists_for_trained_parameters_only(tiny_model, tmp_path):
    network, tokenizer = weights.load(tiny_model)
    names = sft.freeze_except(network, [5])
    examples = [prompts.example(tokenizer, pair(n), None) for n in range(4)]
    run = sft.trainer(network, examples, 0, SETTINGS, 1e-2, 1, tmp_path)
    run.train()
    trained = [p for name, p in network.named_parameters() if name in names]
    assert {id(p) for p in run.optimizer.state} == {id(p) for p in trained}
    assert sum(p.numel() for p in trained) == sum(
        state["exp_avg"].numel() for state in run.optimizer.state.values())


def test_same_seed_same_bytes_other_seed_other_bytes(run, tiny_model, tmp_path):
    arguments = (run / "pairs.jsonl", run / "dev.jsonl")
    for name, seed in (("again", 1), ("other", 2)):
        train(tiny_model, *arguments, tmp_path / name, [0, 1], seed=seed)
    weights = (run / "s1/layers.safetensors").read_bytes()
    assert (tmp_path / "again/layers.safetensors").read_bytes() == weights
    assert (tmp_path / "again/config.json").read_text() == (run / "s1/config.json").read_text()
    assert (tmp_path / "other/layers.safetensors").read_bytes() != weights


def test_log_has_a_step_per_batch_and_a_cosine_schedule(run):
    with open(run / "s1/loss.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    # Warmup is ceil(0.03 x 4) = 1 step; then half a cosine over the other three.
    expected = [0.0, *(1e-2 * 0.5 * (1 + math.cos(math.pi * n / 3)) for n in (0, 1, 2))]
    assert [float(row["lr"]) for row in rows] == pytest.approx(expected)


def test_config_counts(run):
    config = json.loads((run / "s1/config.json").read_text())
    assert (config["pairs"], config["steps"], config["depth"]) == (8, 4, 6)
    tensors = load_file(run / "s1/layers.safetensors")
    assert config["trained_parameters"] == sum(t.numel() for t in tensors.values())
    assert config["dev_pairs"] == 4  # two rows, both directions
    assert config["dev_loss"]["after"] < config["dev_loss"]["before"]


def test_loss_is_that_of_a_plain_forward_over_all_positions(tiny_model):
    network, tokenizer = weights.load(tiny_model)
    examples = [prompts.example(tokenizer, pair(n), None) for n in (1, 22, 333)]
    batch = sft.collate(examples, pad=0)
    plain = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                    labels=batch["labels"]).loss
    count = (batch["labels"] != -100).sum()
    ours = sft.target_loss(network, batch) / count
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)


def test_accumulated_batches_weigh_tokens_like_one_batch(tiny_model, tmp_path):
    """Batch 1 x accumulation 4, as in the paper, gives the step of batch 4."""
    def trained(batch, accumulation):
        network, tokenizer = weights.load(tiny_model)
        names = sft.freeze_except(network, [5])
        examples = [prompts.example(tokenizer, pair(10 ** n), None) for n in range(4)]
        settings = SETTINGS | {"batch": batch, "accumulation": accumulation, "warmup": 0.0,
                               "epochs": 2}
        sft.trainer(network, examples, 0, settings, 1e-3, 1, tmp_path).train()
        return torch.cat([p.flatten() for n, p in network.named_parameters() if n in names])

    torch.testing.assert_close(trained(1, 4), trained(4, 1), atol=2e-5, rtol=0)


def test_only_the_answer_carries_loss(tiny_model):
    _, tokenizer = weights.load(tiny_model)
    example = prompts.example(tokenizer, pair(1), None)
    answer = [i for i, label in zip(example["input_ids"], example["labels"], strict=True)
              if label != -100]
    assert tokenizer.decode(answer) == "El gato número 1 duerme.<|im_end|>"
    prompt = tokenizer.decode(example["input_ids"][:-len(answer)])
    assert prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")  # thinking is off


def test_a_changed_parent_is_refused(run, tmp_path):
    import shutil

    shutil.copytree(run / "s1", tmp_path / "s1")
    config = json.loads((tmp_path / "s1/config.json").read_text())
    config["parent_sha256"] = "0" * 64
    (tmp_path / "s1/config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"was trained on .* 000000000000, but .* is now"):
        weights.load(tmp_path / "s1")


def test_no_pairs_is_a_clear_refusal(run, tiny_model, tmp_path):
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(UserError, match="every pair was filtered out"):
        train(tiny_model, tmp_path / "none.jsonl", run / "dev.jsonl", tmp_path / "out", [0])


@pytest.mark.parametrize("depth", [5, 8])
def test_a_model_of_another_depth_than_declared_is_refused(run, tiny_model, tmp_path, depth):
    with pytest.raises(UserError, match=rf"model\.depth is {depth}, but .* has 6 layers"):
        train(tiny_model, run / "pairs.jsonl", run / "dev.jsonl", tmp_path / "out", [4], depth)
    assert not (tmp_path / "out").exists()


def test_a_layer_that_the_model_lacks_is_refused(tiny_model):
    network, _ = weights.load(tiny_model)
    with pytest.raises(UserError, match=r"layers \[6, 7\] have no parameters: model\.layers has 6"):
        sft.freeze_except(network, [5, 6, 7])


def test_a_family_that_names_its_layers_otherwise_trains_too(run, tiny_model, tmp_path):
    """GPT-2: transformer.h.N, no padding token."""
    _, tokenizer = weights.load(tiny_model)
    transformers.set_seed(1)
    network = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_head=2, n_layer=3))
    for part in (network, tokenizer):
        part.save_pretrained(tmp_path / "gpt2")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        file = tmp_path / "gpt2" / name
        file.write_text(json.dumps({key: value for key, value in
                                    json.loads(file.read_text()).items() if key != "pad_token"}))
    assert weights.load(tmp_path / "gpt2")[1].pad_token_id is None
    with jsonl.writer(tmp_path / "pairs.jsonl") as write:
        for n in range(4):
            write(pair(10 ** n))  # of different lengths, so that a batch is padded
    train(tmp_path / "gpt2", tmp_path / "pairs.jsonl", run / "dev.jsonl", tmp_path / "out", [2], 3)
    names = load_file(tmp_path / "out/layers.safetensors")
    assert names and all(name.startswith("transformer.h.2.") for name in names)
    before, after = (weights.load(tmp_path / name)[0].state_dict() for name in ("gpt2", "out"))
    assert {name for name in before if not torch.equal(before[name], after[name])} <= set(names)
    assert not torch.equal(before["transformer.h.2.mlp.c_fc.weight"],
                           after["transformer.h.2.mlp.c_fc.weight"])


def test_the_machine_leaves_no_trace_in_the_config(run):
    config = json.loads((run / "s1/config.json").read_text())
    assert config["settings"] == SETTINGS
    assert not {"threads", "device", "machine"} & {*config, *config["settings"]}


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 1), (2, 2), (1, 4)])
def test_the_loss_of_a_step_is_the_mean_over_its_answer_tokens(tiny_model, tmp_path, batch,
                                                               accumulation):
    """Clipping and Adam hide a wrong scale of the gradient, so value and gradient are compared."""
    network, tokenizer = weights.load(tiny_model)
    names = sft.freeze_except(network, [5])
    trained = [p for name, p in network.named_parameters() if name in names]
    examples = [prompts.example(tokenizer, pair(10 ** n), None) for n in range(4)]
    everything = sft.collate(examples, 0)
    plain = network(input_ids=everything["input_ids"], labels=everything["labels"],
                    attention_mask=everything["attention_mask"]).loss  # transformers' token mean
    expected = torch.autograd.grad(plain, trained)
    settings = SETTINGS | {"batch": batch, "accumulation": accumulation, "clip": 0.0}
    run = sft.trainer(network, examples, 0, settings, 0.0, 1, tmp_path)
    found = []

    class Look(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, *_, **__):
            found.extend(p.grad.clone() for p in trained)

    run.add_callback(Look)
    run.train()
    assert run.state.log_history[0]["loss"] == pytest.approx(plain.item(), abs=1e-4)  # 4 decimals
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-3)
