"""A step of stage 1 and of stage 2 against a step that tunes everything, and packs against batch 1.

    python tests/bench/bench_training.py
    python tests/bench/bench_training.py --device cuda --width 4096 --depth 12 --vocabulary 151936 \
        --examples 512 --length 200 --pack 8192

A Qwen3 with random weights, its bottom 4 and top 15 layers (of fewer, the same shares). Ways are
timed in turn, so that a busy machine slows all alike; printed are the median seconds a step, its
ratio to a full step, and useful FLOP a second (2 a parameter forward, 2 for every parameter that
activations' gradients cross, 2 for every trained one), on CUDA also the peak memory.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
import transformers

from stages.model.layer_names import layer_of
from stages.training import loop, losses, packing, trainable

SETTINGS = {"schedule": "cosine", "warmup": 0.03, "weight_decay": 0.0, "clip": 1.0, "seed": 1,
            "epochs": 1, "lr": 1e-5, "accumulation": 2}


class Clock(transformers.TrainerCallback):
    """Seconds of every step but the first, which warms up."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.ends: list[float] = []

    def on_step_end(self, *_, **__):
        if self.device == "cuda":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    def steps(self) -> list[float]:
        return [end - start for start, end in zip(self.ends, self.ends[1:], strict=False)]


def model(args: argparse.Namespace) -> transformers.PreTrainedModel:
    torch.manual_seed(1)
    heads = max(1, args.width // 128)
    network = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(
        vocab_size=args.vocabulary, hidden_size=args.width, intermediate_size=3 * args.width,
        num_hidden_layers=args.depth, num_attention_heads=heads, num_key_value_heads=max(
            1, heads // 4), head_dim=min(128, args.width), tie_word_embeddings=False))
    return network.to(args.device, torch.bfloat16 if args.device == "cuda" else torch.float32)


def flop(network: transformers.PreTrainedModel, layers: list[int], tokens: int) -> float:
    """Useful FLOP of a step over so many tokens; embeddings are looked up, not multiplied."""
    sizes = {name: p.numel() for name, p in network.named_parameters() if "embed" not in name}
    lowest = min(layers)
    crossed = sum(size for name, size in sizes.items()
                  if (at := layer_of(name, "model.layers")) is None or at >= lowest)
    trained = sum(p.numel() for name, p in network.named_parameters()
                  if p.requires_grad and name in sizes)
    return 2.0 * tokens * (sum(sizes.values()) + crossed + trained)


def run(args, layers, method, pack, batch):
    """Median seconds of a step, useful FLOP a second, tokens a second, peak GiB."""
    network = model(args)
    trainable.choose(network, layers, method, {})
    engine = {"pack_tokens": pack, "loss_chunk": 1024 if method == "layers" else 0} if pack else {}
    if args.device == "cuda":
        engine["precision"] = "bfloat16"
    settings = SETTINGS | {"batch": batch} | ({"engine": engine} if engine else {})
    if args.device == "cuda":
        trainable.keep_masters(network, {})
        torch.cuda.reset_peak_memory_stats()
    draw = torch.Generator().manual_seed(1)
    lengths = torch.randint(args.length // 2, 3 * args.length // 2, (args.examples,),
                            generator=draw).tolist()
    examples = []
    for length in lengths:
        ids = torch.randint(args.vocabulary, (length,), generator=draw).tolist()
        examples.append({"input_ids": ids, "labels": [-100] * (length // 2) + ids[length // 2:]})

    def chunked(network, rows):
        return packing.chunked_loss(network, rows, engine["loss_chunk"])

    loss = chunked if engine.get("loss_chunk") else losses.target_loss
    clock = Clock(args.device)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = loop.trainer(network, examples, 0, settings, Path(scratch), loss)
        trainer.add_callback(clock)
        if pack:
            with packing.isolated(network):
                trainer.train()
        else:
            trainer.train()
    seconds = statistics.median(clock.steps())
    tokens = sum(lengths) / len(clock.ends)
    peak = torch.cuda.max_memory_allocated() / 2 ** 30 if args.device == "cuda" else 0.0
    return seconds, flop(network, layers, int(tokens)) / seconds, tokens / seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=36)
    parser.add_argument("--vocabulary", type=int, default=2000)
    parser.add_argument("--examples", type=int, default=96)
    parser.add_argument("--length", type=int, default=60, help="tokens of an example, on average")
    parser.add_argument("--pack", type=int, default=0, help="tokens of a pack; 0: length groups")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.set_verbosity_error()
    bottom, top = max(1, round(args.depth / 9)), round(args.depth * 15 / 36)
    every = list(range(args.depth))
    ways = {"full": (every, "full", args.pack, 8), "stage 1": (every[:bottom], "layers", args.pack,
            8), "stage 2": (every[-top:], "layers", args.pack, 8),
            "stage 2, batch 1": (every[-top:], "layers", 0, 1)}
    found: dict[str, list] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, how in ways.items():
            found[name].append(run(args, *how))
    best = {name: min(rounds) for name, rounds in found.items()}
    for name, (seconds, flops, speed, peak) in best.items():
        print(f"{name:18} {seconds:8.3f} s a step, {seconds / best['full'][0]:5.2f} of a full one, "
              f"{speed:9,.0f} tokens/s, {flops / 1e12:8.3f} useful TFLOP/s, peak {peak:5.1f} GiB")


if __name__ == "__main__":
    main()
