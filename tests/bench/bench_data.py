"""The data stages on real pairs multiplied to volume, and their parts beside named peers.

    python tests/bench/bench_data.py --pairs 20000 80000 --signatures 1000000

In one run on the same texts, per CPU-second: SimHash signatures beside the package `simhash` and
datasketch's MinHash; the Hamming join, whose pairs must be those of brute force on 6,000 texts;
the rule filter beside a bare json loop and Hugging Face datasets; language ID beside a bare
`predict` loop. Then format, dedup and langid over four shards at each number of pairs, every step
a process of its own, with its peak memory. Noise is planted: a number and a word in every copy.
Peers that are not installed are left out by name.
"""

import argparse
import gzip
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from stages.common import jsonl
from stages.corpus import cleaning, language_id, near_duplicates, simhash

ROOT = Path(__file__).parents[2]
LANGUAGES = ["spa_Latn", "swh_Latn", "ind_Latn", "yor_Latn"]
# VmHWM: what getrusage says, a child has from its larger parent.
STEP = """
import re, runpy, sys
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__")
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""
RULES = {"min_words": 1, "max_words": 100, "max_ratio": 9.0, "min_letters": 0.3}
DEDUP = {"method": "simhash", "ngram": 4, "distance": 3, "jaccard": 0.8, "permutations": 128,
         "test_jaccard": 0.5}


def cpu() -> float:
    """Seconds of this process and its ended children."""
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF,
                                                        resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def timed(name, work, count):
    """(what the work returns, things a CPU-second)"""
    start, busy = time.perf_counter(), cpu()
    found = work()
    wall, busy = time.perf_counter() - start, max(cpu() - busy, 1e-3)
    print(f"{name:38} {wall:8.2f} s {busy:8.2f} CPU-s {count / busy:12,.0f} per CPU-s", flush=True)
    return found, count / busy


def signatures(texts):
    simhash.signatures(texts[:10])
    _, ours = timed("signatures, ours", lambda: simhash.signatures(texts), len(texts))
    few = texts[:1000]
    _, theirs = timed("signatures, datasketch MinHash",
                      lambda: near_duplicates.signed(few, "minhash", DEDUP), len(few))
    print(f"  {ours / theirs:.0f} times MinHash of {DEDUP['permutations']} permutations")
    if importlib.util.find_spec("simhash"):
        from simhash import Simhash

        _, theirs = timed("signatures, package simhash", lambda: [Simhash(
            [text[i:i + 4] for i in range(max(1, len(text) - 3))]) for text in few], len(few))
        print(f"  {ours / theirs:.0f} times the package")


def join(texts, count):
    few = np.unique(simhash.signatures(texts))[:6000]
    expected = [(i, i + 1 + j) for i in range(len(few) - 1) for j in np.flatnonzero(
        simhash.differing_bits(np.full(len(few) - i - 1, few[i]), few[i + 1:]) <= 3).tolist()]
    found = simhash.near_pairs(few)
    print(f"join of {len(few)} signatures equals brute force ({len(expected)} pairs): "
          f"{[tuple(pair) for pair in found.tolist()] == expected}")
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**63, count, np.uint64)
    keys[1::10] = keys[::10][:len(keys[1::10])] ^ np.uint64(5)  # planted: two bits
    timed(f"Hamming join of {count:,}", lambda: simhash.near_pairs(keys), count)


def filters(rows, scratch):
    file, out = scratch / "rows.jsonl", scratch / "out.jsonl"
    with jsonl.writer(file) as write:
        for row in rows:
            write(row)

    def keeps(row):
        return 1 / 9 <= len(row["tgt"]) / max(1, len(row["src"])) <= 9

    def ours():
        with jsonl.writer(out) as write:
            for row in jsonl.read(file):
                if cleaning.verdict(cleaning.clean(row["src"]), cleaning.clean(row["tgt"]),
                                    RULES) == "kept":
                    write(row)

    def bare():
        with open(file, encoding="utf-8") as source, open(out, "w", encoding="utf-8") as target:
            for line in source:
                row = json.loads(line)
                if keeps(row):
                    print(json.dumps(row, ensure_ascii=False), file=target)

    def hub():
        import datasets

        datasets.disable_progress_bars()
        datasets.load_dataset("json", data_files=str(file), split="train",
                              cache_dir=str(scratch / "cache")).filter(keeps).to_json(
                                  str(out), force_ascii=False)

    timed("clean and filter, every rule, ours", ours, len(rows))
    timed("length ratio alone, json loop", bare, len(rows))
    timed("length ratio alone, HF datasets", hub, len(rows))


def detector(texts, lid):
    detect = language_id.load(lid)
    flat = [" ".join(text.split()) for text in texts]
    detect(flat[:10])
    _, bare = timed("language ID, bare predict", lambda: [detect.model.f.predict(
        f"{text}\n", 3, 0.0, "strict") for text in flat], len(flat))
    _, ours = timed("language ID, ours", lambda: detect(texts), len(texts))
    print(f"  {bare / ours:.2f} times the CPU of the bare loop")


def prepare(folder, rows, count):
    """Sources of ``count`` pairs, test text and params.yaml."""
    for name in ("mined", "test"):
        (folder / name).mkdir()
    rng = random.Random(0)
    vocabulary = sorted({word for row in rows for word in row["src"].split()})
    for language in LANGUAGES:
        with gzip.open(folder / f"mined/eng_Latn-{language}.gz", "wt", 1) as lines:
            for number in range(count // len(LANGUAGES)):
                row = rng.choice(rows)
                words = row["src"].split()
                words[rng.randrange(len(words))] = rng.choice(vocabulary)
                lines.write(f"{' '.join(words)} {number}\t{row['tgt']} {number}\t1.1\t.9\t.9"
                            "\t_\t_\t_\t_\n")
    with jsonl.writer(folder / "test/t.jsonl") as write:
        for number, row in enumerate(rows[:500]):
            write({"id": str(number), "eng_Latn": row["src"],
                   **dict.fromkeys(LANGUAGES, row["tgt"])})
    scale = {"model": {"name": "none", "depth": 4, "system": None}, "format": {
        "languages": {language: {} for language in LANGUAGES}, "train": RULES,
        "sources": {"train": {"bitext": {"o": "nllb"}, "cap": None, "least": {}},
                    "test": {"reader": "parallel_jsonl", "origin": "t"}},
        "test": {"clean": True, "dev_share": 0.4, **RULES}},
        "langid": {"rule": {"default": "top3_or_no_other_p50"}}}
    (folder / "params.yaml").write_text(json.dumps({
        "scale": "s", "suite": "s", "suites": {"s": {}}, "seed": 1, "scales": {"s": scale},
        "machine": {"engine": "local", "threads": 1}, "dedup": DEDUP,
        "layers": {"bottom": 1, "top": 1, "skip": []}}))


def steps(rows, counts, lid):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(
        [str(ROOT), os.environ.get("PYTHONPATH", "")])}
    for count in counts:
        with tempfile.TemporaryDirectory() as scratch:
            prepare(Path(scratch), rows, count)
            for step, *arguments in (("format", "corpus", "mined", "test", "format"),
                                     ("dedup", "format", "dedup"),
                                     ("langid", "dedup", lid, "format/test.jsonl", "langid")):
                done, _ = timed(f"{step}, {count:,} pairs", partial(
                    subprocess.run, [sys.executable, "-c", STEP, f"stages.{step}", *arguments],
                    cwd=scratch, env=environment, check=True, capture_output=True, text=True),
                    count)
                print(f"   peak memory {int(done.stdout)} MiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pairs", type=Path, nargs="?", default="data/format/corpus/train.jsonl",
                        help="real pairs, as JSON Lines of src and tgt")
    parser.add_argument("lid", type=Path, nargs="?", default="data/download/lid",
                        help="folder of the detector")
    parser.add_argument("--pairs", dest="counts", type=int, nargs="+", default=[20_000, 80_000])
    parser.add_argument("--signatures", type=int, default=1_000_000)
    args = parser.parse_args()
    rows = list(islice(jsonl.read(args.pairs), 20_000))
    texts = [f"{row['src']}\t{row['tgt']}" for row in rows]
    signatures(texts)
    join(texts, args.signatures)
    with tempfile.TemporaryDirectory() as scratch:
        filters(rows, Path(scratch))
    detector([row["src"] for row in rows], args.lid)
    steps(rows, args.counts, str(args.lid.resolve()))


if __name__ == "__main__":
    main()
