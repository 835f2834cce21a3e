"""Paired bootstrap here against sacrebleu's: same outputs, seed, resamples and p-values.

    python tests/bench/bench_bootstrap.py

FLORES devtest in size: 1,012 segments, 10 systems, 1,000 resamples, all systems against the first.
From texts, cold. Prints, for each metric, seconds of the whole table (statistics and resampling)
and of resampling alone, and checks that all scores and all p-values are equal. Then the whole stage
on the same outputs: rows published and every translation table computed from them, against what
sacrebleu has for the same columns: its paired bootstrap, its randomisation, and a corpus score of
each system for each of 20 shuffled orders (timed for one system, times their number). What
sacrebleu has nothing for (documents, off-target, simulated level) counts against us. Last, the peak
memory of 1,000 and 10,000 resamples.
"""

import json
import os
import random
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest, Result

from stages.common.hashes import file_sha256
from stages.convert.encoder import tiny
from stages.rows import lexical, published, segments
from stages.rows.results import SHUFFLES
from stages.statistics.resampling import bootstrap_weights, collect
from stages.statistics.translation.analyse import analyse
from stages.statistics.translation.compare import scorer
from tests.rows.result_files import LANGUAGES, SETTINGS, sha16, write

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
        score = lexical.bleu
        references, *sides = lexical.bleu_grams(
            [[text.split() for text in side] for side in (refs, *systems)])
        tables = np.stack([lexical.ngram_statistics(side, references) for side in sides])
    else:
        score = lexical.chrf
        characters, *others = lexical.chrf_grams([refs, *systems])
        tables = np.stack([lexical.chrf_statistics(side, characters) for side in others])
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


def peer_metric(name, refs):
    return BLEU(tokenize="none", references=[refs], force=True) if name == "BLEU" else \
        CHRF(word_order=2, references=[refs])


def theirs(name, refs, systems, test_type="bs"):
    """(seconds of all, seconds of resampling, scores, p-values)."""
    peer = peer_metric(name, refs)
    start = time.perf_counter()
    test = PairedTest([(str(n), system) for n, system in enumerate(systems)], {name: peer}, None,
                      test_type=test_type, n_samples=RESAMPLES, n_jobs=1)
    results = test()[1]
    end = time.perf_counter()
    for system in systems:  # extraction alone, to tell it from resampling
        peer._extract_corpus_statistics(system, None)
    extraction = time.perf_counter() - end
    [found] = [result for key, result in results.items() if key != "System"]
    scores, p = zip(*((r.score, r.p_value) for r in found if isinstance(r, Result)), strict=True)
    return end - start, end - start - extraction, np.array(scores), np.array(p[1:])


def their_floor(name, refs, system):
    """Seconds of a system's score against references in 20 shuffled orders."""
    start, rng = time.perf_counter(), random.Random(1)
    for _ in range(SHUFFLES):
        peer_metric(name, rng.sample(refs, len(refs))).corpus_score(system, None)
    return time.perf_counter() - start


def result_files(folder, refs, systems):
    """The systems' outputs as `eval_mt` writes them, and a tokenizer made from the references."""
    tiny.spm(refs, folder)
    model = folder / "sentencepiece.model"
    spm = {"model": str(model), "label": "bench", "sha256": file_sha256(model)}
    flags = {"empty": False, "copy": False, "truncated": False,
             **{name: {"top1": False, "no_other_p50": False}
                for name in ("off_target", "ref_off_target")}}
    for n, system in enumerate(systems):
        write(folder / "mt" / f"s{n}", "segments.jsonl", [
            {"id": f"t:{i:04}", "cluster": f"d{i // 3}", "direction": "swh_Latn-eng_Latn",
             "src": ref[::-1], "ref": ref, "hyp": hyp, "ref_hash": sha16(ref), **flags}
            for i, (ref, hyp) in enumerate(zip(refs, system, strict=True))], spbleu=spm)
    return lexical.sentencepiece(model, spm["sha256"])


def whole_stage(folder):
    """Seconds from texts to published rows, and from those to every translation table."""
    settings = {**SETTINGS, "contrasts": [[f"s{n}", "s0"] for n in range(1, SYSTEMS)],
                "resamples": RESAMPLES, "ar_trials": RESAMPLES, "simulations": 2000,
                "metrics": ["chrf++", "spbleu"]}
    start = time.perf_counter()
    published.publish(folder / "mt", folder / "none", settings, "", folder / "rows")
    middle = time.perf_counter()
    stored = json.loads((folder / "rows/settings.json").read_text())
    found, copied = published.translations(folder / "rows", stored["contrasts"])
    analyse(segments.corpus(list(found.values()), copied, stored["metrics"]), LANGUAGES, stored)
    return middle - start, time.perf_counter() - middle


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
    with tempfile.TemporaryDirectory() as scratch:
        pieces = result_files(Path(scratch), refs, systems)
        publishing, analysing = whole_stage(Path(scratch))
        tokens = [[" ".join(line) for line in pieces(side)] for side in (refs, *systems)]
    parts = np.array([[theirs(name, side[0], side[1:], "bs")[0],
                       theirs(name, side[0], side[1:], "ar")[0],
                       SYSTEMS * their_floor(name, *side[:2])]
                      for name, side in (("BLEU", tokens), ("chrF++", [refs, *systems]))]).sum(0)
    ours_whole = publishing + analysing
    print(f"whole stage: rows {publishing:.2f} s, tables {analysing:.2f} s; sacrebleu's bootstrap "
          f"{parts[0]:.2f} s, randomisation {parts[1]:.2f} s, floors {parts[2]:.2f} s; ratio to "
          f"all {parts.sum() / ours_whole:.1f}, to its bootstrap {parts[0] / ours_whole:.1f}")
    for resamples in (1000, 10_000):
        tracemalloc.start()
        p_values(tables, lexical.chrf, resamples)
        print(f"{resamples} resamples: peak {tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB")
        tracemalloc.stop()


if __name__ == "__main__":
    main()
