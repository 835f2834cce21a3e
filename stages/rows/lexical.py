"""Corpus BLEU and chrF from per-segment statistics, for any number of resamples at once.

Both metrics are functions of three counts per n-gram order: n-grams in the output, n-grams in
the reference, and matches. Summed over a corpus, or over a resample of it, they give the corpus
score, so a resample costs one matrix product. Scores equal ``sacrebleu`` 2.6.0 (Post 2018,
https://aclanthology.org/W18-6319); the tests hold them to it.

Shapes: texts ``n``; statistics ``(n, 3 * orders)`` floats holding whole numbers; sums
``(..., 3 * orders)``; scores ``(...)`` on the 0-100 scale. One reference per segment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sacrebleu
from numpy.typing import NDArray
from sacrebleu.metrics import CHRF
from scipy import sparse

from ..common import hashes
from ..common.errors import UserError

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Symbols = Sequence[str]  # a text as what n-grams are made of: a str is its characters

BLEU_ORDER = 4
CHAR_ORDER, WORD_ORDER, BETA = 6, 2, 2
# Hashes of the official sentencepiece model. Empty: nobody has measured it for this project, so the
# label flores101 is refused until the hash of the official file stands here.
FLORES101_SHA256: frozenset[str] = frozenset()
# Of flores200sacrebleuspm, as its publisher's repository of NLLB-200 holds it too.
FLORES200_SHA256 = frozenset({"14bb8dfb35c0ffdea7bc01e56cea38b9e3d5efcdcb9c251d6b40538e1aab555a"})
CHRF_COLUMNS = 3 * CHAR_ORDER  # the leading columns of chrF++ statistics are those of chrF


class Grams(NamedTuple):
    """The n-grams of a list of texts. ``lengths`` (texts,): symbols of each. ``counts``: for each
    order a sparse table (texts, n-grams), its columns the same for all sides counted together."""

    lengths: Index
    counts: list[sparse.csr_matrix]


def numbered(sides: Sequence[Sequence[Symbols]], gap: int) -> list[Index]:
    """The symbols of each side's texts in a row, as numbers from 1 on, ``gap`` zeros after each
    text; what is equal has one number on all sides."""
    if isinstance(next(chain.from_iterable(sides), None), str):
        end = "\0" * gap
        rows_of_text = ("".join(f"{text}{end}" for text in side) for side in sides)
        points = [np.frombuffer(row.encode("utf-32-le", "surrogatepass"), np.uint32)
                  for row in rows_of_text]
        number = np.zeros(max(found.max(initial=0) for found in points) + 1, dtype=np.int64)
        for found in points:
            number[found] = 1
        number[0] = 0
        number = np.where(number, number.cumsum(), 0)
        return [number[found] for found in points]
    number_of: defaultdict[str, int] = defaultdict(count(1).__next__)
    zeros, rows = [0] * gap, []
    for side in sides:
        numbers: list[int] = []
        for text in side:
            numbers += map(number_of.__getitem__, text)
            numbers += zeros
        rows.append(np.array(numbers, dtype=np.int64))
    return rows


def grams(sides: Sequence[Sequence[Symbols]], orders: int) -> list[Grams]:
    """The n-grams of 1 to ``orders`` symbols of every side's texts, numbered together."""
    rows = numbered(sides, orders)
    width = int(max(row.max(initial=1) for row in rows)).bit_length()
    lengths = [np.array([len(text) for text in side], dtype=np.int64) for side in sides]
    texts = [np.repeat(np.arange(len(side)), length)
             for side, length in zip(sides, lengths, strict=True)]
    most = max(map(len, sides)).bit_length()
    if orders * width + most <= 63:
        found = [packed(row, text, len(side), orders, width)
                 for side, row, text in zip(sides, rows, texts, strict=True)]
    else:
        found = renumbered(rows, texts, [len(side) for side in sides], orders)
    return list(map(Grams, lengths, found))


def packed(row: Index, text: Index, texts: int, orders: int, width: int) -> list[sparse.csr_matrix]:
    """Counts of one side, where the symbols from a place on fit into one number of 63 bits.

    One sort for all orders: with every place of a text ordered by the symbols that follow it, equal
    n-grams are neighbours for every n.
    """
    real = np.flatnonzero(row)
    keys = text.copy()
    for k in range(orders):
        keys = keys << width | row[real + k]
    keys.sort()
    found = []
    for k in range(orders):
        whole = keys >> width * (orders - 1 - k)
        found.append(counted(whole[whole & (1 << width) - 1 > 0], texts, width * (k + 1)))
    return found


def renumbered(rows: Sequence[Index], texts: Sequence[Index], sizes: Sequence[int], orders: int,
               ) -> list[list[sparse.csr_matrix]]:
    """The same for larger alphabets: n-grams are numbered anew, without gaps, for every n."""
    flat = np.concatenate(rows)
    real = np.flatnonzero(flat)
    text = np.concatenate(texts)
    side = np.repeat(np.arange(len(rows)), list(map(len, texts)))
    code, alphabet = np.zeros(len(real), dtype=np.int64), int(flat.max()) + 1
    found: list[list[sparse.csr_matrix]] = [[] for _ in rows]
    for k in range(orders):
        last = flat[real + k]
        numbers, code = np.unique(code * alphabet + last, return_inverse=True)
        bits = len(numbers).bit_length()
        for s, (tables, size) in enumerate(zip(found, sizes, strict=True)):
            whole = (side == s) & (last > 0)
            tables.append(counted(np.sort(text[whole] << bits | code[whole]), size, bits))
    return found


def counted(keys: Index, texts: int, bits: int) -> sparse.csr_matrix:
    """Sorted keys, a text's number above ``bits`` bits of an n-gram's, as a table of counts."""
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[:len(keys)])
    kinds = keys[starts]
    rows = np.append(0, np.bincount(kinds >> bits, minlength=texts).cumsum())
    table = sparse.csr_matrix((np.diff(starts, append=len(keys)), kinds & (1 << bits) - 1, rows),
                              shape=(texts, 1 << bits))
    table.has_canonical_format = True  # sorted and without duplicates, as made
    return table


def reordered(side: Grams, order: Index) -> Grams:
    """The same texts in another order: text k becomes the one that was number ``order[k]``."""
    return Grams(side.lengths[order], [table[order] for table in side.counts])


def ngram_statistics(outputs: Grams, references: Grams) -> Array:
    """Counts per segment: for each order the n-grams of output and reference, and the matches,
    (texts, 3 * orders). Both sides have to come from one call of ``grams``."""
    return np.stack([counts for k, (mine, theirs) in enumerate(
        zip(outputs.counts, references.counts, strict=True)) for counts in (
            np.maximum(outputs.lengths - k, 0), np.maximum(references.lengths - k, 0),
            mine.minimum(theirs).sum(1).A1)], axis=1).astype(float)


def chrf_grams(sides: Sequence[Sequence[str]]) -> list[tuple[Grams, Grams]]:
    """Each side's characters without spaces, and its words with punctuation split off."""
    split = cache(CHRF(word_order=WORD_ORDER)._remove_punctuation)
    words = [[text.split() for text in side] for side in sides]
    return list(zip(
        grams([["".join(text) for text in side] for side in words], CHAR_ORDER),
        grams([[[part for word in text for part in split(word)] for text in side]
               for side in words], WORD_ORDER), strict=True))


def reordered_parts(side: tuple[Grams, Grams], order: Index) -> tuple[Grams, Grams]:
    """``reordered``, of characters and words."""
    characters, words = side
    return reordered(characters, order), reordered(words, order)


def chrf_statistics(outputs: tuple[Grams, Grams], references: tuple[Grams, Grams]) -> Array:
    """Counts of character 1- to 6-grams and of word 1- and 2-grams (chrF++) of ``chrf_grams``.

    An order that the reference is too short for counts nothing, as in sacrebleu.
    """
    table = np.hstack([ngram_statistics(*both) for both in zip(outputs, references, strict=True)])
    table[:, 0::3] *= table[:, 1::3] > 0
    return table


def bleu_grams(sides: Sequence[Sequence[Sequence[str]]]) -> list[Grams]:
    """1- to 4-grams of texts given as lists of tokens.

    A token that holds a space, or is one, is split there as in a tokenised line of text.
    """
    return grams([[" ".join(tokens).split() for tokens in side] for side in sides], BLEU_ORDER)


def sentencepiece(model: Path, sha256: str) -> Callable[[Sequence[str]], list[list[str]]]:
    """The piece splitter of a sentencepiece model file, as spBLEU uses it."""
    from sentencepiece import SentencePieceProcessor

    if not model.is_file():
        raise UserError(f"{model}: the spBLEU tokenizer is not there. Run `dvc repro download`, or "
                        "put the file that meta.json names (spbleu.model) in its place")
    found = hashes.file_sha256(model)
    if found != sha256:
        raise UserError(f"{model}: SHA-256 {found} is not the {sha256} of meta.json "
                        "(spbleu.sha256). Run `dvc repro download` or evaluate again")
    encode = SentencePieceProcessor(model_file=str(model)).encode
    return lambda texts: encode([text.rstrip() for text in texts], out_type=str)


def bleu(sums: Array) -> Array:
    """Corpus BLEU (Papineni et al. 2002), ``smooth:exp``, ``eff:no``: BP · exp(mean log p_n).

    The k-th order without a match has precision 1 / (2^k · n-grams). 0 where nothing matches or
    where the output is too short for some order.
    """
    output, reference, match = np.moveaxis(sums.reshape(*sums.shape[:-1], BLEU_ORDER, 3), -1, 0)
    misses = np.cumsum(match == 0, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(match == 0, 100 / (2.0 ** misses * output), 100 * match / output)
        length = np.exp(np.minimum(0, 1 - reference[..., 0] / output[..., 0]))
        logs = np.log(precision)
        score = length * np.exp((logs[..., 0] + logs[..., 1] + logs[..., 2] + logs[..., 3])
                                / BLEU_ORDER)
    return np.where((match.sum(-1) > 0) & (output > 0).all(-1), score, 0.0)


def chrf(sums: Array) -> Array:
    """Corpus chrF (Popović 2015) or chrF++ (2017): F_2 of mean precision and mean recall.

    The means run over orders that occur in both texts (``eff:yes``). 0 where there are none.
    """
    orders = sums.shape[-1] // 3
    output, reference, match = np.moveaxis(sums.reshape(*sums.shape[:-1], orders, 3), -1, 0)
    used = (output > 0) & (reference > 0)
    precision, recall = np.zeros(sums.shape[:-1]), np.zeros(sums.shape[:-1])
    for order in range(orders):  # one by one, so that the sums round as sacrebleu's do
        with np.errstate(divide="ignore", invalid="ignore"):
            here = used[..., order]
            precision += np.where(here, match[..., order] / output[..., order], 0)
            recall += np.where(here, match[..., order] / reference[..., order], 0)
    count = np.maximum(used.sum(-1), 1)
    precision, recall = precision / count, recall / count
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
    return np.where(precision + recall > 0, 100 * score, 0.0)


def chrf_of_pp(sums: Array) -> Array:
    """Corpus chrF out of the sums of chrF++ statistics."""
    return chrf(sums[..., :CHRF_COLUMNS])


def mean(sums: Array) -> Array:
    """Mean of segment scores in 0-1, as points; columns are the sum and the number of them."""
    scores: Array = 100 * sums[..., 0] / np.maximum(sums[..., 1], 1)
    return scores


def chrf_signature(word_order: int = WORD_ORDER) -> str:
    """How chrF (0) or chrF++ (2) was computed, in sacrebleu's notation."""
    return (f"nrefs:1|case:mixed|eff:yes|nc:{CHAR_ORDER}|nw:{word_order}|space:no|"
            f"version:{sacrebleu.__version__}")


def bleu_signature(label: str, sha256: str) -> str:
    """How spBLEU was computed. Only the official tokenizers may carry their names."""
    for name, known in (("flores101", FLORES101_SHA256), ("flores200", FLORES200_SHA256)):
        if label == name and sha256 not in known:
            said = f"{name[:6].upper()}-{name[6:]}"
            raise UserError(f"spBLEU tokenizer {name}: its SHA-256 {sha256} is not known to be "
                            f"that of the {said} sentencepiece model. If the file is the official "
                            f"one, put its SHA-256 there: {name.upper()}_SHA256 in "
                            "stages/rows/lexical.py; else correct `spbleu` in meta.json")
    return (f"nrefs:1|case:mixed|eff:no|tok:{label}|smooth:exp|"
            f"version:{sacrebleu.__version__}")
