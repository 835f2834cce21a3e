"""Tasks whose answers are generated: lm-eval's own prompts and scores, by network or server."""

import json
from pathlib import Path

import pytest
from lm_eval.api.instance import Instance

from stages import eval_reason
from stages.common import jsonl
from stages.common.errors import UserError
from stages.decoding import engines, server
from stages.decoding.generation import AnsweringLM, Served
from stages.model import weights
from stages.rows import results
from tests import stage_fixture
from tests.decoding import model_server

SYSTEM = {"base": "model", "weights": "model", "parent": "model", "derive": None, "shots": 0,
          "draw": 0, "system": None, "dtype": "float32"}
TASKS = {
    "gsm8k": {"metric": "exact_match", "filter": "flexible-extract", "carries": True,
              "stock": "gsm8k_cot_zeroshot"},
    "mgsm": {"metric": "exact_match", "filter": "flexible-extract", "carries": False, "chat": True,
             "stock": "mgsm_direct", "languages": ["en", "sw"], "multilingual": True},
    "choice": {"metric": "acc", "carries": True}}


class Sums(model_server.Served):
    """A model that always says 18, after some words."""

    def answer(self, ids, limit, stop):
        self.answers[tuple(ids)] = limit, tuple(stop)
        return "It was 7 at first. The answer is 18.", "stop"


@pytest.fixture(scope="module")
def place(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generation")
    model_server.talkative(tiny_model, folder / "model")
    sets = {"gsm8k": [{"question": f"How much is {n} and 9?", "answer": f"Add.\n#### {n + 9}"}
                      for n in range(6, 12)],
            **{f"mgsm_{language}": [{"question": f"{word} {n}?", "answer": None,
                                     "equation_solution": None, "answer_number": n}
                                    for n in range(16, 20)]
               for language, word in (("en", "How much is"), ("sw", "Ngapi"))},
            "choice": [{"question": "Which?", "choices": ["a", "b"], "gold": n % 2}
                       for n in range(4)]}
    for name, rows in sets.items():
        with jsonl.writer(folder / f"data/download/items/{name}.jsonl") as write:
            for number, row in enumerate(rows):
                write({"id": number, **row})
    return folder


@pytest.fixture
def folder(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


def run(folder, tasks=TASKS, url=None, out="out"):
    stage_fixture.params(
        folder, 6, recipe={"systems": {"base": SYSTEM}, "suites": {"s": {"eval_reason": {
            "tasks": tasks, "screen": {"share": 0.0}, "items": 9, "batch": 64,
            "engine": "server" if url else "hf"}}}, "machine": stage_fixture.MACHINE | {
                "server": url and {"url": url, "concurrency": 4, "timeout": 20}}}, offline=True)
    eval_reason.main(["base", out])
    return list(jsonl.read(f"{out}/items.jsonl")), json.loads(Path(f"{out}/meta.json").read_text())


def test_right_and_wrong_answers_of_a_server(folder):
    network, tokenizer = weights.load(folder / "model")
    served = Sums(network, tokenizer, engines.served_name("base", SYSTEM))
    with model_server.running(served) as url:
        rows, meta = run(folder, url=url)
    by_task = {task: [row for row in rows if row["task"] == task] for task in TASKS}
    assert [row["score"] for row in by_task["gsm8k"]] == [0, 0, 0, 1, 0, 0]  # 9 and 9
    assert [(row["doc_id"], row["cluster"], row["score"]) for row in by_task["mgsm"]] == [
        (f"{language}:{n}", str(n), float(n == 2)) for language in ("en", "sw")
        for n in range(4)]
    for row in (*by_task["gsm8k"], *by_task["mgsm"]):
        assert (row["filter"], row["metric"]) == ("flexible-extract", "exact_match")
        assert not {"loglik", "pred", "n_choices"} & set(row)
    assert len(by_task["choice"]) == 4 and all("loglik" in row for row in by_task["choice"])
    assert (meta["tasks"]["mgsm"]["n_total"], meta["tasks"]["gsm8k"]["chance"]) == (8, 0)
    assert meta["signature"]["decoding"] == (
        "log-likelihood of each choice; generated: greedy, server")
    block = tokenizer("<think>\n\n</think>\n\n")["input_ids"]
    off = [list(ids[-len(block):]) == block for ids in served.asked]
    assert (sum(off), len(off)) == (8, 14)  # the chats, and no other prompt
    assert {stop for _, stop in served.answers.values() if stop} == {  # without the probe's
        ("Q:", "</s>"), ("Question:", "</s>"), ("Swali:", "</s>")}  # the end token is the server's
    found = results.answers(Path("out"))  # whole numbers and texts as ids, by task
    assert len(found.rows) == len(rows)


def test_a_server_gives_the_texts_of_lm_evals_own_model(folder, tmp_path):
    network, tokenizer = weights.load(folder / "model")
    requests = [Instance("generate_until", {}, (f"{text} number {n}?\n", {
        "until": ["Q:", "e"], "max_gen_toks": 12, "do_sample": False}), n)
        for n, text in enumerate(["The cat", "Fresh bread", "Water", "A house near the river"])]
    local = AnsweringLM(network, tokenizer, 64).generate_until(requests, True)
    served = model_server.Served(network, tokenizer)
    with model_server.running(served) as url:
        at = Served(server.Endpoint(url, "tiny"), "r", tmp_path)
        assert AnsweringLM(network, tokenizer, 64, at).generate_until(requests, True) == local
    assert len(set(local)) > 2


def test_a_task_that_reads_answers_in_several_ways_needs_to_say_which(folder):
    mgsm = {name: value for name, value in TASKS["mgsm"].items() if name != "filter"}
    with pytest.raises(UserError, match="mgsm_en: filter is to be one of flexible-extract, remove"):
        run(folder, {"mgsm": mgsm})
    with pytest.raises(UserError, match="gsm8k: filter is to be one of flexible-extract, strict"):
        run(folder, {"gsm8k": TASKS["gsm8k"] | {"filter": "none"}})
