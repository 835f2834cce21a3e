"""Paired bootstrap here against sacrebleu's: same outputs, seed, resamples and p-values.

    python tests/bench/bench_bootstrap.py

FLORES devtest in size: 1,012 segments, 10 systems, 1,000 resamples, all systems against the first.
Prints seconds of the whole table (statistics and resampling) and of resampling alone, and checks
that all scores and all p-values are equal. Then the peak memory of 1,000 and 10,000 resamples.
"""

import os
import random
import statistics
import time
import tracemalloc

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from stages.rows import lexical
from stages.statistics.resampling import bootstrap_weights, collect
from stages.statistics.translation.compare import scorer

SEGMENTS, SYSTEMS, RESAMPLES, SEED = 1012, 10, 1000, 12345
VOCABULARY, REPEATS = 3000, 5


def texts():
    """References of Zipf-like words, and systems that replace 20 to 30 % of them."""
    rng = random.Random(1)
    words = ["".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9))) for _ in range(VOCABULARY)]
    weights = [1 / (rank + 1) for rank in range(VOCABULARY)]
    refs = [rng.choices(words, weights, k=rng.randint(8, 40)) for _ in range(SEGMENTS)]
    systems = [[[rng.choice(words) if rng.random() < 0.2 + 0.01 * n else word for word in ref]
                for ref in refs] for n in range(SYSTEMS)]
    return [" ".join(ref) for ref in refs], [[" ".join(s) for s in system] for system in systems]


def ours(name, refs, systems):
    """(seconds of statistics, median seconds of resampling, scores, p-values, tables)."""
    start = time.perf_counter()
    if name == "BLEU":
        score, tokens = lexical.bleu, [text.split() for text in refs]
        found = [lexical.bleu_statistics([text.split() for text in system], tokens)
                 for system in systems]
    else:
        score, symbols = lexical.chrf, lexical.chrf_symbols(refs)
        found = [lexical.chrf_statistics(lexical.chrf_symbols(system), symbols)
                 for system in systems]
    tables = np.stack(found)
    extraction, spans = time.perf_counter() - start, []
    for _ in range(REPEATS):  # a hundredth of a second: one timing would be mostly warm-up
        start = time.perf_counter()
        p = p_values(tables, score, RESAMPLES)
        spans.append(time.perf_counter() - start)
    return extraction, statistics.median(spans), score(tables.sum(1)), p, tables


def p_values(tables, score, resamples):
    """Of each system against the first, by sacrebleu's formula."""
    drawn = collect(bootstrap_weights(SEGMENTS, resamples, np.random.default_rng(SEED)),
                    scorer(tables, score))
    observed = score(tables.sum(1))
    change = np.abs(drawn[:, 1:] - drawn[:, :1])
    centred = change - change.mean(0)
    return ((centred > np.abs(observed[1:] - observed[0])).sum(0) + 1) / (resamples + 1)


def theirs(name, refs, systems):
    """(seconds of all, seconds of resampling, scores, p-values)."""
    peer = BLEU(tokenize="none", references=[refs], force=True) if name == "BLEU" else \
        CHRF(word_order=2, references=[refs])
    start = time.perf_counter()
    test = PairedTest([(str(n), system) for n, system in enumerate(systems)], {name: peer}, None,
                      test_type="bs", n_samples=RESAMPLES, n_jobs=1)
    results = test()[1]
    end = time.perf_counter()
    for system in systems:  # extraction alone, to tell it from resampling
        peer._extract_corpus_statistics(system, None)
    extraction = time.perf_counter() - end
    [found] = [result for key, result in results.items() if key != "System"]
    return end - start, end - start - extraction, np.array([r.score for r in found]), np.array(
        [r.p_value for r in found[1:]])


def main() -> None:
    os.environ["SACREBLEU_SEED"] = str(SEED)
    refs, systems = texts()
    for name in ("BLEU", "chrF++"):
        extraction, resampling, scores, p, tables = ours(name, refs, systems)
        whole, peer, peer_scores, peer_p = theirs(name, refs, systems)
        print(f"{name}: table {extraction + resampling:.2f} s, sacrebleu {whole:.2f} s, ratio "
              f"{whole / (extraction + resampling):.1f}; resampling {resampling:.3f} s, sacrebleu "
              f"{peer:.2f} s, ratio {peer / resampling:.0f}; scores differ by at most "
              f"{np.abs(scores - peer_scores).max():.1g}, p-values by {np.abs(p - peer_p).max():g}")
    for resamples in (1000, 10_000):
        tracemalloc.start()
        p_values(tables, lexical.chrf, resamples)
        print(f"{resamples} resamples: peak {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB")
        tracemalloc.stop()


if __name__ == "__main__":
    main()
