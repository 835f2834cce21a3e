"""Scores from summed statistics equal sacrebleu's; so do p-values under its own formula."""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.common.hashes import file_sha256
from stages.convert.encoder import tiny
from stages.model import provenance
from stages.rows import extraction, lexical
from stages.statistics.resampling import bootstrap_weights, collect, swap_weights, two_sided_p
from stages.statistics.translation.compare import scorer


@pytest.fixture(scope="module")
def text(fixtures):
    """References and two outputs that lose words, one more than the other."""
    rng = random.Random(1)
    refs = [row["eng_Latn"] for name in ("tiny_train", "tiny_test")
            for row in jsonl.read(fixtures / f"{name}.jsonl")]

    def lossy(share):
        return [" ".join(w for w in ref.split() if rng.random() < share) for ref in refs]

    return refs, lossy(0.8), lossy(0.75)


@pytest.fixture(scope="module")
def pieces(tmp_path_factory, fixtures):
    folder = tmp_path_factory.mktemp("spm")
    tiny.spm([row["eng_Latn"] for row in jsonl.read(fixtures / "tiny_train.jsonl")], folder)
    model = folder / "sentencepiece.model"
    return lexical.sentencepiece(model, file_sha256(model))


def lines(texts, pieces):
    return [" ".join(tokens) for tokens in pieces(texts)]


def ours(metric, hyps, refs, pieces):
    """Segment statistics, and the function from sums to the score."""
    if metric == "spbleu":
        return lexical.ngram_statistics(*lexical.bleu_grams([pieces(hyps), pieces(refs)])), \
            lexical.bleu
    table = lexical.chrf_statistics(*lexical.chrf_grams([hyps, refs]))
    return table, lexical.chrf if metric == "chrf++" else lexical.chrf_of_pp


def oracle(metric, hyps, refs, pieces):
    if metric == "spbleu":
        return BLEU(tokenize="none", force=True).corpus_score(
            lines(hyps, pieces), [lines(refs, pieces)]).score
    return CHRF(word_order=2 * (metric == "chrf++")).corpus_score(hyps, [refs]).score


def paired_p(metric, sides, refs, pieces, test, samples):
    """p of sacrebleu's own paired test of the second system against the first."""
    if metric == "spbleu":
        refs, *sides = (lines(side, pieces) for side in (refs, *sides))
        peer = BLEU(tokenize="none", force=True, references=[refs])
    else:
        peer = CHRF(word_order=2, references=[refs])
    scores = PairedTest([(str(n), side) for n, side in enumerate(sides)], {metric: peer}, None,
                        test_type=test, n_samples=samples, n_jobs=1)()[1]
    [(_, second)] = [results for name, results in scores.items() if name != "System"]
    return second.p_value


def counted(outputs, references, orders):
    return lexical.ngram_statistics(*lexical.grams([outputs, references], orders)).tolist()


def test_counts_by_hand():
    # "abab" against "ab": a, b twice each, once matched; ab twice, ba once, ab matched once.
    assert counted(["abab", ""], ["ab", "b"], 2) == [[4, 2, 2, 3, 1, 1], [0, 1, 0, 0, 0, 0]]
    assert counted([["the", "cat"]], [["the", "cat", "sat"]], 2) == [[2, 3, 2, 1, 2, 1]]
    assert counted([""], [""], 2) == [[0] * 6]


@pytest.mark.parametrize("alphabet", [3, 40, 3000])  # 3000 symbols: six of them fill 72 bits
def test_counts_equal_those_of_counters(alphabet):
    rng = random.Random(alphabet)
    letters = [chr(0x4e00 + n) for n in range(alphabet)]
    sides = [["".join(rng.choices(letters, k=rng.randrange(90))) for _ in range(40)]
             for _ in range(2)]
    sides[0][:20] = [text[:len(text) // 2] + text[:9] for text in sides[1][:20]]
    expected = []
    for output, reference in zip(*sides, strict=True):
        row = []
        for n in range(1, 7):
            a, b = (Counter(text[i:i + n] for i in range(len(text) - n + 1))
                    for text in (output, reference))
            row += [a.total(), b.total(), (a & b).total()]
        expected.append(row)
    assert counted(*sides, 6) == expected
    assert counted(*([list(text) for text in side] for side in sides), 6) == expected


def test_every_segment_of_a_system_counts_as_in_sacrebleu(text, pieces):
    refs, hyps, _ = text
    table, _ = ours("chrf++", hyps, refs, pieces)
    theirs = CHRF(word_order=2, references=[refs])._extract_corpus_statistics(hyps, None)
    assert table.tolist() == theirs


def test_an_order_that_the_reference_is_too_short_for_counts_nothing():
    hyps, refs = ["abcdefgh ij", "a", ""], ["ab", "abcd e", "x"]
    theirs = CHRF(word_order=2, references=[refs])._extract_corpus_statistics(hyps, None)
    assert ours("chrf++", hyps, refs, None)[0].tolist() == theirs


def test_texts_in_another_order_are_counted_in_that_order(text):
    refs, hyps, _ = text
    order = np.random.default_rng(1).permutation(len(refs))
    hyps_grams, refs_grams = lexical.chrf_grams([hyps, refs])
    mixed = lexical.chrf_statistics(hyps_grams, lexical.reordered_parts(refs_grams, order))
    again, _ = ours("chrf++", hyps, [refs[i] for i in order], None)
    assert mixed.tolist() == again.tolist()


METRICS = ["chrf", "chrf++", "spbleu"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [1, 2, 7, 192])
def test_corpus_scores_equal_sacrebleu(text, pieces, metric, size):
    refs, hyps, _ = text
    refs, hyps = refs[:size], ["", *hyps[1:size]] if size > 2 else hyps[:size]
    table, score = ours(metric, hyps, refs, pieces)
    assert score(table.sum(0)) == pytest.approx(oracle(metric, hyps, refs, pieces), abs=1e-11)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("hyp", ["", "zz", "zz qq xx vv ww", "The", "The ▁ cat", "a\u00a0b"])
def test_odd_outputs_score_as_in_sacrebleu(pieces, metric, hyp):
    refs = ["The cat sees a book today.", "The dog buys cold water now."]
    table, score = ours(metric, [hyp] * 2, refs, pieces)
    assert score(table.sum(0)) == pytest.approx(oracle(metric, [hyp] * 2, refs, pieces), abs=1e-11)


@pytest.mark.parametrize("metric", METRICS)
def test_many_resamples_at_once_are_scored_like_each_resampled_corpus(text, pieces, metric):
    refs, hyps, _ = text
    chosen = np.random.default_rng(1).integers(0, 50, (4, 50))
    weights = np.stack([np.bincount(row, minlength=50) for row in chosen]).astype(float)
    table, score = ours(metric, hyps[:50], refs[:50], pieces)
    expected = [oracle(metric, [hyps[i] for i in row], [refs[i] for i in row], pieces)
                for row in chosen]
    assert score(weights @ table) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", ["chrf++", "spbleu"])
def test_p_equals_sacrebleus_paired_bootstrap_under_its_formula_and_seed(text, pieces, metric,
                                                                         monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    refs, a, b = text
    theirs = paired_p(metric, (a, b), refs, pieces, "bs", 1000)
    tables, (score, _) = zip(*(ours(metric, side, refs, pieces) for side in (a, b)), strict=True)
    drawn = collect(bootstrap_weights(len(refs), 1000, np.random.default_rng(12345)),
                    scorer(np.stack(tables), score))
    observed = abs(np.subtract(*(score(table.sum(0)) for table in tables)))
    centred = np.abs(drawn[:, 0] - drawn[:, 1])
    centred -= centred.mean()
    assert (np.sum(centred > observed) + 1) / 1001 == theirs


@pytest.mark.parametrize("metric", ["chrf++", "spbleu"])
def test_p_agrees_with_sacrebleus_randomisation(text, pieces, metric, monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    refs, a, b = (side[:60] for side in text)
    theirs = paired_p(metric, (a, b), refs, pieces, "ar", 4000)
    (x, score), (y, _) = (ours(metric, side, refs, pieces) for side in (a, b))

    def swapped(weights):
        moved = weights @ (y - x)
        return score(x.sum(0) + moved) - score(y.sum(0) - moved)

    drawn = collect(swap_weights(60, 4000, np.random.default_rng(1)), swapped)
    p = two_sided_p(drawn, score(x.sum(0)) - score(y.sum(0)))
    assert p == pytest.approx(theirs, abs=4 * np.sqrt(2 * theirs * (1 - theirs) / 4000))


def test_only_flores_may_be_called_flores(monkeypatch):
    official = "f1" * 32
    assert "tok:xlmr250k" in lexical.bleu_signature("xlmr250k", official)
    with pytest.raises(UserError, match=rf"{official} is not known .* put its SHA-256 there"):
        lexical.bleu_signature("flores101", official)
    monkeypatch.setattr(lexical, "FLORES101_SHA256", frozenset({official}))
    assert "tok:flores101" in lexical.bleu_signature("flores101", official)
    with pytest.raises(UserError, match="is not known"):
        lexical.bleu_signature("flores101", "0" * 64)
    assert lexical.chrf_signature().startswith(
        "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:")


def test_a_changed_or_missing_tokenizer_is_refused(tmp_path):
    with pytest.raises(UserError, match="the spBLEU tokenizer is not there"):
        lexical.sentencepiece(tmp_path / "none.model", "0" * 64)
    (tmp_path / "other.model").write_bytes(b"other")
    with pytest.raises(UserError, match=r"is not the 0+ of meta.json"):
        lexical.sentencepiece(tmp_path / "other.model", "0" * 64)


def test_both_flores_tokenizers_score_as_sacrebleu(tmp_path, fixtures, monkeypatch):
    """With stand-ins for the two files, in the places where sacrebleu looks before it fetches."""
    rows = list(jsonl.read(fixtures / "tiny_train.jsonl"))
    folder = tmp_path / "spm"
    folder.mkdir()
    for label, language in (("flores101", "swh_Latn"), ("flores200", "eng_Latn")):
        tiny.spm([row[language] for row in rows], tmp_path / label)
        (tmp_path / label / "sentencepiece.model").rename(folder / f"{label}.model")
    meta = provenance.spbleus(folder, "flores101")
    assert [meta[name]["label"] for name in ("spbleu", "spbleu200")] == ["flores101", "flores200"]
    for name, label in (("spbleu", "flores101"), ("spbleu200", "flores200")):
        with pytest.raises(UserError, match=f"put its SHA-256 there: {label.upper()}_SHA256"):
            extraction.lexical_metrics([name], meta)
        monkeypatch.setattr(lexical, f"{label.upper()}_SHA256", {meta[name]["sha256"]})
    kinds = extraction.lexical_metrics(["spbleu", "spbleu200"], meta)
    places = {"flores101": "sacrebleu_tokenizer_spm.model", "flores200": "flores200sacrebleuspm"}
    (tmp_path / "home/models").mkdir(parents=True)
    for label, place in places.items():
        (tmp_path / "home/models" / place).write_bytes((folder / f"{label}.model").read_bytes())
    outputs = [row["swh_Latn"] for row in rows[:40]]
    references = [row["swh_Latn" if n % 3 else "spa_Latn"] for n, row in enumerate(rows[:40])]
    (tmp_path / "texts.json").write_text(json.dumps([outputs, references]))
    script = ("import json, sacrebleu; o, r = json.load(open('texts.json'))\n"
              "print(json.dumps([sacrebleu.corpus_bleu(o, [r], tokenize=t).score "
              "for t in ('flores101', 'flores200')]))")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, text=True,
                          capture_output=True, env={**os.environ,
                                                    "SACREBLEU": str(tmp_path / "home")})
    expected = json.loads(done.stdout)
    found = []
    for name in ("spbleu", "spbleu200"):
        first, second = kinds[name].ready([outputs, references])
        found.append(float(lexical.bleu(kinds[name].statistics(first, second).sum(0))))
        assert f"|tok:{meta[name]['label']}|" in kinds[name].signature
    assert found == expected and found[0] != found[1]
