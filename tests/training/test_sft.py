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
from stages.training import loop, losses, replay, sft, trainable
from tests.stage_fixture import MACHINE, SETTINGS
from tests.stage_fixture import pairs as fixture_pairs


def pair(number: int, **extra) -> dict:
    return {"id": f"t:{number}", "src": f"The cat number {number} sleeps.",
            "tgt": f"El gato número {number} duerme.", "src_lang": "eng_Latn",
            "tgt_lang": "spa_Latn", "origin": "test", **extra}


def train(parent, file, dev, out, layers, depth=6, **settings):
    sft.train(parent, file, dev, out, layers, depth, SETTINGS | settings, None, MACHINE)
    return out


def freeze_except(network, layers):
    return trainable.choose(network, layers, "layers", {})


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
    names = freeze_except(network, [5])
    examples = [prompts.example(tokenizer, pair(n), None) for n in range(4)]
    run = loop.trainer(network, examples, 0, SETTINGS, tmp_path)
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
    batch = losses.collate(examples, pad=0)
    plain = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"],
                    labels=batch["labels"]).loss
    count = (batch["labels"] != -100).sum()
    ours = losses.target_loss(network, batch) / count
    assert ours.item() == pytest.approx(plain.item(), rel=1e-6)


def test_accumulated_batches_weigh_tokens_like_one_batch(tiny_model, tmp_path):
    """Batch 1 x accumulation 4, as in the paper, gives the step of batch 4."""
    def trained(batch, accumulation):
        network, tokenizer = weights.load(tiny_model)
        names = freeze_except(network, [5])
        examples = [prompts.example(tokenizer, pair(10 ** n), None) for n in range(4)]
        settings = SETTINGS | {"batch": batch, "accumulation": accumulation, "warmup": 0.0,
                               "epochs": 2, "lr": 1e-3}
        loop.trainer(network, examples, 0, settings, tmp_path).train()
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
        freeze_except(network, [5, 6, 7])


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


METHODS = {
    "two-stage": ({"layers": [0, 1]}, {"layers": [4, 5]}),
    "joint, two passes": ({"layers": []}, {"layers": [0, 1, 4, 5], "epochs": 2}),
    "reversed": ({"layers": [4, 5]}, {"layers": [0, 1]}),
    "halves": ({"layers": [0, 1], "pairs": [0, 0.5]}, {"layers": [4, 5], "pairs": [0.5, 1]}),
    "full": ({"layers": []}, {"layers": list(range(6)), "method": "full"}),
    "lora": ({"layers": [1], "method": "lora"}, {"layers": [1, 4], "method": "lora"}),
    "replay and penalty": ({"layers": [0], "replay": 0.5, "kl": 0.1, "shuffle_targets": True},
                           {"layers": [5], "replay": 0.5, "kl": 0.1, "shuffle_targets": True})}


@pytest.mark.parametrize("name", METHODS)
def test_frozen_is_bit_identical_in_every_control(run, tiny_model, tmp_path, name):
    parent, moved = tiny_model, set()
    for number, settings in enumerate(METHODS[name], 1):
        parent = train(parent, run / "pairs.jsonl", run / "dev.jsonl", tmp_path / f"s{number}",
                       **settings)
        moved |= {tensor.replace(".lora_A", "")
                  for tensor in load_file(parent / "layers.safetensors")
                  if ".lora_B" not in tensor}
    if name == "lora":
        assert moved == {f"model.layers.{layer}.{part}.weight" for layer in (1, 4)
                         for part in ("self_attn.q_proj", "mlp.down_proj")}
    base, tuned = (weights.load(folder)[0].state_dict() for folder in (tiny_model, parent))
    tied = {"lm_head.weight"} if name == "full" else set()
    assert {tensor for tensor in base if not torch.equal(base[tensor], tuned[tensor])} == (
        moved | tied)


def test_what_a_control_draws_is_drawn_alike_twice(run, tiny_model, tmp_path):
    drawn = {"method": "lora", "replay": 0.5, "kl": 0.1, "shuffle_targets": True}
    once, again, other = (
        train(tiny_model, run / "pairs.jsonl", run / "dev.jsonl", tmp_path / name, [5], seed=seed,
              **drawn) / "layers.safetensors" for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once.read_bytes() == again.read_bytes() != other.read_bytes()


def test_the_check_of_the_gradients_changes_no_trained_byte(run, tiny_model, tmp_path):
    files = (run / "pairs.jsonl", run / "dev.jsonl")
    train(tiny_model, *files, tmp_path / "without", [0, 1], check_pairs=0)
    assert ((tmp_path / "without/layers.safetensors").read_bytes()
            == (run / "s1/layers.safetensors").read_bytes())
    with open(run / "s1/sensitivity.csv") as file:
        rows = list(csv.DictReader(file))
    assert [(row["layer"], row["tuned"]) for row in rows] == [
        (str(layer), str(int(layer < 2))) for layer in range(6)]
    assert (tmp_path / "without/sensitivity.csv").read_text().count("\n") == 1


def test_a_stage_without_layers_says_so(run, tiny_model, tmp_path, capsys):
    out = train(tiny_model, run / "pairs.jsonl", run / "dev.jsonl", tmp_path / "s1", [])
    assert "s1: no layer is tuned in this stage" in capsys.readouterr().err
    config = json.loads((out / "config.json").read_text())
    assert (config["steps"], config["trained_parameters"]) == (0, 0)
    assert config["dev_loss"]["before"] == config["dev_loss"]["after"]


def test_a_second_pass_doubles_the_steps(run, tiny_model, tmp_path):
    out = train(tiny_model, run / "pairs.jsonl", run / "dev.jsonl", tmp_path / "o", [5], epochs=2)
    assert json.loads((out / "config.json").read_text())["steps"] == 8


def test_the_penalty_is_the_divergence_from_the_base(tiny_model, run):
    """Against a loop over answer positions in double precision, without torch's own kl_div."""
    base, tokenizer = weights.load(tiny_model)
    tuned, _ = weights.load(run / "s2")
    batch = losses.collate([prompts.example(tokenizer, pair(10 ** n), None) for n in range(3)], 0)
    before, after = (m(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
                     .logits.detach().double().log_softmax(-1) for m in (base, tuned))
    expected = sum(float((before[row, at - 1].exp()
                          * (before[row, at - 1] - after[row, at - 1])).sum())
                   for row, labels in enumerate(batch["labels"].tolist())
                   for at, label in enumerate(labels) if label != -100)
    assert expected > 0.1
    extra = losses.anchored_loss(tuned, batch, base, 2.0) - losses.target_loss(tuned, batch)
    assert extra.item() == pytest.approx(2 * expected, rel=1e-4)


def test_replayed_text_is_the_models_own_chat(tiny_model):
    network, tokenizer = weights.load(tiny_model)
    transformers.set_seed(1)
    texts = replay.written(network, tokenizer, "Be kind.", 5, 12, batch=2)
    assert len(texts) == 5 and len({str(text) for text in texts}) == 5
    for text in texts:
        spoken = [i for i, label in zip(text["input_ids"], text["labels"], strict=True)
                  if label != -100]
        assert 0 < len(spoken) <= 12 and text["labels"][-len(spoken):] == spoken
        assert tokenizer.decode(text["input_ids"][:-len(spoken)]) == (
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n")


def test_replayed_text_joins_the_pairs(run, tiny_model, tmp_path):
    """8 pairs in batches of 2 are 4 steps; half as many texts again are 2 more."""
    out = train(tiny_model, run / "pairs.jsonl", run / "dev.jsonl", tmp_path / "o", [5],
                replay=0.5)
    assert json.loads((out / "config.json").read_text())["steps"] == 6


def test_the_machine_leaves_no_trace_in_the_config(run):
    config = json.loads((run / "s1/config.json").read_text())
    assert config["settings"] == SETTINGS
    assert not {"threads", "device", "machine"} & {*config, *config["settings"]}


@pytest.mark.parametrize(("batch", "accumulation"), [(4, 1), (2, 2), (1, 4)])
def test_the_loss_of_a_step_is_the_mean_over_its_answer_tokens(tiny_model, tmp_path, batch,
                                                               accumulation):
    """Clipping and Adam hide a wrong scale of the gradient, so value and gradient are compared."""
    network, tokenizer = weights.load(tiny_model)
    names = freeze_except(network, [5])
    trained = [p for name, p in network.named_parameters() if name in names]
    examples = [prompts.example(tokenizer, pair(10 ** n), None) for n in range(4)]
    everything = losses.collate(examples, 0)
    plain = network(input_ids=everything["input_ids"], labels=everything["labels"],
                    attention_mask=everything["attention_mask"]).loss  # transformers' token mean
    expected = torch.autograd.grad(plain, trained)
    settings = SETTINGS | {"batch": batch, "accumulation": accumulation, "clip": 0.0,
                           "lr": 0.0}
    run = loop.trainer(network, examples, 0, settings, tmp_path)
    found = []

    class Look(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, *_, **__):
            found.extend(p.grad.clone() for p in trained)

    run.add_callback(Look)
    run.train()
    assert run.state.log_history[0]["loss"] == pytest.approx(plain.item(), abs=1e-4)  # 4 decimals
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-3)


def test_the_held_out_loss_is_the_same_with_any_number_of_threads(tiny_model, tmp_path):
    """It is computed by copies of a process that has trained with all of them."""
    texts = (fixture_pairs(tmp_path / "pairs.jsonl", 24),
             fixture_pairs(tmp_path / "dev.jsonl", 9, split="dev"))
    before = torch.get_num_threads()
    for threads in (1, 2):
        sft.train(tiny_model, *texts, tmp_path / f"{threads}", [0, 5], 6,
                  SETTINGS | {"dev_pairs": 9}, None,
                  MACHINE | {"threads": threads})
    torch.set_num_threads(before)
    one, two = (json.loads((tmp_path / f"{n}/config.json").read_text())["dev_loss"] for n in (1, 2))
    assert one == two and one["after"] < one["before"]
