"""Corpus BLEU and chrF from per-segment statistics, for any number of resamples at once.

Both metrics are functions of three counts per n-gram order: n-grams in the output, n-grams in
the reference, and matches. Summed over a corpus, or over a resample of it, they give the corpus
score, so a resample costs one matrix product. Scores equal ``sacrebleu`` 2.6.0 (Post 2018,
https://aclanthology.org/W18-6319); the tests hold them to it.

Shapes: texts ``n``; statistics ``(n, 3 * orders)`` floats holding whole numbers; sums
``(..., 3 * orders)``; scores ``(...)`` on the 0-100 scale. One reference per segment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import sacrebleu
from numpy.typing import NDArray
from sacrebleu.metrics import CHRF

from ..common import hashes
from ..common.errors import UserError

Array = NDArray[np.float64]
Symbols = Sequence[str]  # a text as what n-grams are made of: a str is its characters

BLEU_ORDER = 4
CHAR_ORDER, WORD_ORDER, BETA = 6, 2, 2
# Hashes of the official sentencepiece model. Empty: nobody has measured it for this project, so the
# label flores101 is refused until the hash of the official file stands here.
FLORES101_SHA256: frozenset[str] = frozenset()
CHRF_COLUMNS = 3 * CHAR_ORDER  # the leading columns of chrF++ statistics are those of chrF


def ngram_statistics(outputs: Sequence[Symbols], references: Sequence[Symbols], orders: int,
                     ) -> Array:
    """Counts per segment: for each order the n-grams of output and reference, and the matches.

    One sort for all orders: with every position ordered by the symbols that follow it, equal
    n-grams of a segment are neighbours for every n.
    """
    texts = [*outputs, *references]
    ids: dict[str, int] = {}
    flat = np.array([ids.setdefault(symbol, len(ids) + 1)
                     for symbol in chain.from_iterable(texts)] + [0] * orders, dtype=np.int32)
    lengths = np.fromiter(map(len, texts), dtype=int, count=len(texts))
    left = np.repeat(lengths.cumsum(), lengths) - np.arange(lengths.sum())
    segment = np.repeat(np.arange(len(texts)) % len(outputs), lengths).astype(np.int32)
    is_output = np.arange(len(segment)) < lengths[:len(outputs)].sum()
    # Column k: the symbol k places on, 0 past the end of the text.
    columns = [np.where(left > k, flat[k:k + len(left)], 0) for k in range(orders)]
    order = np.lexsort((*reversed(columns), segment))
    segment, is_output = segment[order], is_output[order]
    starts = np.diff(segment, prepend=-1) != 0
    table = np.zeros((len(outputs), 3 * orders))
    for k, column in enumerate(columns):
        column = column[order]
        starts = starts | (np.diff(column, prepend=0) != 0)
        gram, whole = starts.cumsum() - 1, column > 0
        mine, theirs = (np.bincount(gram[whole & side], minlength=starts.sum())
                        for side in (is_output, ~is_output))
        for place, counts in enumerate((mine, theirs, np.minimum(mine, theirs))):
            table[:, 3 * k + place] = np.bincount(segment[starts], counts, len(outputs))
    return table


def chrf_symbols(texts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each text as its characters without spaces and its words, punctuation split off."""
    split = CHRF(word_order=WORD_ORDER)._remove_punctuation
    return [("".join(text.split()), split(text)) for text in texts]


def chrf_statistics(outputs: Sequence[tuple[str, list[str]]],
                    references: Sequence[tuple[str, list[str]]]) -> Array:
    """Counts of character 1- to 6-grams and of word 1- and 2-grams (chrF++) of ``chrf_symbols``.

    An order that the reference is too short for counts nothing, as in sacrebleu.
    """
    table = np.hstack([ngram_statistics([text[part] for text in outputs],
                                        [text[part] for text in references], orders)
                       for part, orders in ((0, CHAR_ORDER), (1, WORD_ORDER))])
    table[:, 0::3] *= table[:, 1::3] > 0
    return table


def bleu_statistics(outputs: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> Array:
    """Counts of 1- to 4-grams of texts given as lists of tokens.

    A token that holds a space, or is one, is split there as in a tokenised line of text.
    """
    mine, theirs = ([" ".join(tokens).split() for tokens in side]
                    for side in (outputs, references))
    return ngram_statistics(mine, theirs, BLEU_ORDER)


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
    """How spBLEU was computed. Only the FLORES-101 tokenizer itself may carry its name."""
    if label == "flores101" and sha256 not in FLORES101_SHA256:
        raise UserError(f"spBLEU tokenizer flores101: its SHA-256 {sha256} is not known to be that "
                        "of the FLORES-101 sentencepiece model. If the file is the official one, "
                        "put its SHA-256 there: FLORES101_SHA256 in stages/rows/lexical.py; "
                        "else correct `spbleu` in meta.json")
    return (f"nrefs:1|case:mixed|eff:no|tok:{label}|smooth:exp|"
            f"version:{sacrebleu.__version__}")
