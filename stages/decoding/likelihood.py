"""Log-likelihoods of lm-eval's requests, each token that requests share computed once.

A multiple-choice question asks for the log-likelihood of each choice after the same context, and
lm-eval reads that context once a choice. Here the requests of a batch become one prefix tree: a
token is a node, and its path to the root is the text before it. The whole tree is one sequence for
the model, in which a token sees its own path (a mask) at the place where it stands in that path
(position ids); the head sees only tokens that predict a token asked for. What questions share,
such as the solved examples before them, is computed once a batch too; batches are computed side
by side (`stages.launch.workers`). Prompts, tokenisation and metrics stay lm-eval's own. Tests
compare with lm-eval's own likelihoods, request by request; tests/bench/bench_likelihood.py
measures it.

A tree over the tokens of several candidates is SpecInfer's idea (Miao et al. 2024, arXiv
2305.09781, sec. 4.2: tree attention); there it verifies guesses, here it scores choices.

Models that ``greedy.is_plain`` does not know, and texts longer than a model reads, go through
lm-eval's own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import torch
from lm_eval.models.huggingface import HFLM
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..launch import workers
from .greedy import is_plain, shared_attention

# (context and continuation as text, tokens of the context, tokens of the continuation)
Request = tuple[tuple[str, str], list[int], list[int]]
Answer = tuple[float, bool]  # log-likelihood in nats; would greedy decoding have said just that?


class Tree(NamedTuple):
    """Nodes in an order in which parents come first: token, parent (-1 at a root), depth."""

    tokens: list[int]
    parents: list[int]
    depths: list[int]


def prefix_tree(texts: list[list[int]]) -> tuple[Tree, list[list[int]]]:
    """The tree of all beginnings of ``texts``, and the nodes along each text."""
    tree, paths = Tree([], [], []), []
    nodes: dict[tuple[int, int], int] = {}  # (parent, token) -> node
    for text in texts:
        path, parent = [], -1
        for depth, token in enumerate(text):
            node = nodes.setdefault((parent, token), len(nodes))
            if node == len(tree.tokens):
                tree.tokens.append(token)
                tree.parents.append(parent)
                tree.depths.append(depth)
            path.append(parent := node)
        paths.append(path)
    return tree, paths


def own_path(parents: list[int]) -> Tensor:
    """Which nodes a node sees, itself and its ancestors: (nodes, nodes), true or false."""
    sees = torch.eye(len(parents), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            sees[node] |= sees[parent]
    return sees


def batches(requests: list[Request], budget: int) -> Iterator[list[int]]:
    """Positions of the requests of each batch, similar texts side by side.

    All choices of a question stay together, and a batch holds no more than ``budget`` tokens, or
    else one question.
    """
    order = sorted(range(len(requests)), key=lambda i: requests[i][1:])
    batch: list[int] = []
    held = 0
    for context, positions in groupby(order, key=lambda i: requests[i][1]):
        question = list(positions)
        size = len(context) + sum(len(requests[i][2]) - 1 for i in question)
        if batch and held + size > budget:
            yield batch
            batch, held = [], 0
        batch += question
        held += size
    if batch:
        yield batch


def score(network: PreTrainedModel, requests: list[Request]) -> list[Answer]:
    """The answers to requests, all in one pass of the network over their prefix tree."""
    tree, paths = prefix_tree([context + answer[:-1] for _, context, answer in requests])
    asked = [list(zip(path[len(context) - 1:], answer, strict=True))
             for (_, context, answer), path in zip(requests, paths, strict=True)]
    predicting = sorted({node for pairs in asked for node, _ in pairs})
    row = {node: number for number, node in enumerate(predicting)}
    device, nodes = network.device, len(tree.tokens)
    mask = torch.zeros(nodes, nodes, dtype=network.dtype).masked_fill(
        ~own_path(tree.parents), torch.finfo(network.dtype).min)
    logits = network(
        input_ids=torch.tensor([tree.tokens], device=device),
        position_ids=torch.tensor([tree.depths], device=device),
        attention_mask=mask[None, None].to(device), use_cache=False,
        logits_to_keep=torch.tensor(predicting, device=device)).logits[0].float()
    rows = torch.tensor([row[node] for pairs in asked for node, _ in pairs], device=device)
    tokens = torch.tensor([token for pairs in asked for _, token in pairs], device=device)
    found = logits[rows, tokens] - logits.logsumexp(-1)[rows]
    greedy = logits.argmax(-1)[rows] == tokens
    lengths = [len(pairs) for pairs in asked]
    return [(float(logs.sum()), bool(same.all())) for logs, same in zip(
        found.split(lengths), greedy.split(lengths), strict=True)]


class SharedContextLM(HFLM):
    """lm-eval's own model of a loaded network, but for how token log-likelihoods are computed.

    ``batch`` is the number of tokens in a batch; ``rows`` that of lm-eval's own code, for what has
    to go through it.
    """

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase,
                 batch: int, rows: int = 8) -> None:
        super().__init__(pretrained=network, tokenizer=tokenizer, batch_size=rows,
                         device=str(network.device))
        self.budget = batch

    def _loglikelihood_tokens(self, requests: list[Request], disable_tqdm: bool = False,
                              override_bs: int | None = None) -> list[Answer]:
        """(log-likelihood, would be decoded) of each continuation, in the order of the requests."""
        shared = [is_plain(self.config) and len(context) + len(answer) <= self.max_length + 1
                  for _, context, answer in requests]
        mine = [request for request, ours in zip(requests, shared, strict=True) if ours]
        rest = [request for request, ours in zip(requests, shared, strict=True) if not ours]
        theirs = iter(super()._loglikelihood_tokens(rest, disable_tqdm, override_bs)
                      if rest else [])
        found: dict[int, Answer] = {}
        todo = list(batches(mine, self.budget))
        with (torch.inference_mode(), shared_attention(self.model),
              tqdm(total=len(mine), desc="choices", disable=disable_tqdm) as bar):
            for place, answers in workers.mapped(
                    lambda batch: score(self.model, [mine[i] for i in batch]), todo,
                    self.model.device):
                found |= zip(todo[place], answers, strict=True)
                bar.update(len(answers))
        ours = (found[i] for i in range(len(mine)))
        return [next(ours if own else theirs) for own in shared]
