"""The proof behind the recipe: which tensors move, and that nothing else does."""

import csv
import json
import math

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from stages.common import jsonl
from stages.common.errors import UserError
from stages.model import prompts, weights
from stages.training import sft

SETTINGS = {"threads": 1, "epochs": 1, "schedule": "cosine", "warmup": 0.03, "weight_decay": 0.0,
            "clip": 1.0, "batch": 2, "accumulation": 1, "device": "cpu", "dev_pairs": 2}


def pair(number: int, **extra) -> dict:
    return {"id": f"t:{number}", "src": f"The cat number {number} sleeps.",
            "tgt": f"El gato número {number} duerme.", "src_lang": "eng_Latn",
            "tgt_lang": "spa_Latn", "origin": "test", **extra}


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
    sft.train(tiny_model, *arguments, folder / "s1", [0, 1], SETTINGS, 1e-2, None, seed=1)
    sft.train(folder / "s1", *arguments, folder / "s2", [4, 5], SETTINGS, 1e-2, None, seed=1)
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
        sft.train(tiny_model, *arguments, tmp_path / name, [0, 1], SETTINGS, 1e-2, None, seed)
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
        sft.train(tiny_model, tmp_path / "none.jsonl", run / "dev.jsonl", tmp_path / "out", [0],
                  SETTINGS, 1e-2, None, seed=1)
