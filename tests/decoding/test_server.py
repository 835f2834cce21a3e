"""A served model gives what the local one gives, and no fault loses or doubles an answer."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from stages.common import jsonl
from stages.common.errors import UserError
from stages.decoding import greedy, server
from stages.model import prompts, weights
from stages.rows.seeded import generator
from tests.decoding import model_server

ROOT = Path(__file__).parents[2]
LIMIT = 8


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    folder = model_server.talkative(tiny_model, tmp_path_factory.mktemp("served"))
    return folder, *weights.load(folder)


@pytest.fixture(scope="module")
def chats(fixtures):
    texts = sorted({row[lang] for row in jsonl.read(fixtures / "tiny_train.jsonl")
                    for lang in ("eng_Latn", "spa_Latn")})
    return [prompts.messages(text, "eng_Latn", "spa_Latn") for text in texts][:200]


@pytest.fixture(scope="module")
def ids(model, chats):
    return [prompts.prompt_ids(model[2], chat) for chat in chats]


@pytest.fixture(scope="module")
def answers(model):
    return {}


@pytest.fixture
def served(model, answers):
    """A server's insides; what it has generated once it keeps for the other tests."""
    served = model_server.Served(*model[1:])
    served.answers = answers
    return served


def ask(url, model, ids, scratch, retries=3, timeout=30.0, **options):
    endpoint = server.Endpoint(url, "tiny", 16, timeout, retries)
    return server.greedy(endpoint, model[2], ids, LIMIT, "r", scratch, "test", **options)


def rows(scratch):
    [file] = scratch.glob("*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_200_prompts_give_the_text_of_the_local_model(model, served, ids, tmp_path):
    assert len(ids) == 200
    stop = greedy.newline_tokens(model[2])
    expected = greedy.greedy(model[1], model[2], ids, LIMIT, 4000, stop, "local")
    assert {truncated for _, truncated in expected} == {True, False}  # both kinds of end are there
    assert len({text for text, _ in expected}) > 20
    assert min(len(text) for text, _ in expected) == 0  # a line break at once
    with model_server.running(served) as url:
        assert ask(url, model, ids, tmp_path) == expected
    assert served.options["temperature"] == 0 and served.options["repetition_penalty"] == 1
    assert served.options["stop"] == ["\n"]


def test_fifty_random_faults_lose_and_double_nothing(model, served, ids, tmp_path):
    draw = generator(1, "faults")
    ids = ids[:100]
    served.faults = [None] * 100
    for place in draw.choice(100, 50, replace=False):
        served.faults[place] = str(draw.choice(model_server.FAULTS))
    assert set(served.faults) == {None, *model_server.FAULTS}
    with model_server.running(served) as url:
        found = ask(url, model, ids, tmp_path, retries=9, timeout=1.0)
        served.faults, asked = [], sum(served.asked.values())
        assert asked >= 150  # every fault cost a second question
        assert sorted(row["i"] for row in rows(tmp_path)) == list(range(100))
        assert ask(url, model, ids, tmp_path) == found  # nothing left to ask
        assert sum(served.asked.values()) == asked
        assert found == ask(url, model, ids, tmp_path / "undisturbed")


def test_killed_in_the_middle_it_goes_on_where_it_stopped(model, served, ids, tmp_path):
    ids = ids[:100]
    (tmp_path / "ids.json").write_text(json.dumps(ids))
    script = ("import json, sys; from pathlib import Path\n"
              "from stages.decoding import server; from transformers import AutoTokenizer\n"
              "folder, url, scratch, ids = sys.argv[1:]\n"
              "server.greedy(server.Endpoint(url, 'tiny', 4),\n"
              "              AutoTokenizer.from_pretrained(folder),\n"
              f"              json.loads(Path(ids).read_text()), {LIMIT}, 'r', Path(scratch), 't')")
    served.pause = 0.02
    scratch = tmp_path / "scratch"
    with model_server.running(served) as url:
        process = subprocess.Popen([sys.executable, "-c", script, str(model[0]), url,
                                    str(scratch), str(tmp_path / "ids.json")], cwd=ROOT)
        while process.poll() is None and sum(served.asked.values()) < 40:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kept = rows(scratch)
        assert 30 < len(kept) < len(ids)
        [file] = scratch.iterdir()
        file.write_text(file.read_text() + '{"i": 99, "te')  # killed while it wrote
        served.asked, served.pause = Counter(), 0.0
        found = ask(url, model, ids, scratch)
    assert not {tuple(ids[row["i"]]) for row in kept} & set(served.asked)
    assert len(served.asked) == len(ids) - len(kept) and set(served.asked.values()) == {1}
    assert Counter(row["i"] for row in rows(scratch)) == dict.fromkeys(range(len(ids)), 1)
    with model_server.running(served) as url:
        assert found == ask(url, model, ids, tmp_path / "undisturbed")


def test_other_requests_or_weights_never_take_up_old_answers(model, served, ids, tmp_path):
    endpoint = server.Endpoint("", "tiny")
    requests = [server.Request(prompt, LIMIT) for prompt in ids[:3]]
    with model_server.running(served) as url:
        for revision, asked in (("a", requests), ("b", requests), ("b", requests[::-1]),
                                ("b", [requests[0]._replace(stop=("x",))])):
            server.complete(endpoint._replace(url=url), model[2], asked, revision, tmp_path, "test")
    assert len(list(tmp_path.iterdir())) == 4
    assert sum(served.asked.values()) == 10


def test_several_lines_and_own_stops_for_reasoning(model, served, ids, tmp_path):
    with model_server.running(served) as url:
        [answer] = server.complete(server.Endpoint(url, "tiny"), model[2],
                                   [server.Request(ids[0], 12, ("</s>", "Q:"))], "r", tmp_path, "t")
    text, end = served.answer(ids[0], 12, [])
    assert answer == (text, end == "length")
    assert served.options["stop"] == ["</s>", "Q:"] and served.options["max_tokens"] == 12


def test_a_server_of_chats_is_believed_by_its_prompt_tokens(model, served, ids, chats, tmp_path):
    served.completions = served.ids = False
    with model_server.running(served) as url:
        found = ask(url, model, ids[:5], tmp_path / "chat", chats=chats[:5])
        served.thinking = True  # its template leaves the empty think block out
        with pytest.raises(UserError, match=r"read a prompt of \d+ tokens as \d+ others.*thinking"):
            ask(url, model, ids[:5], tmp_path / "thinking", chats=chats[:5])
        served.thinking, served.count = False, False
        with pytest.raises(UserError, match="does not say how many tokens"):
            ask(url, model, ids[:5], tmp_path / "silent", chats=chats[:5])
        with pytest.raises(UserError, match="takes chats only"):
            ask(url, model, ids[:5], tmp_path / "no chats")
    assert found == [(text.strip(), end == "length") for text, end in
                     (served.answer(prompt, LIMIT, ["\n"]) for prompt in ids[:5])]


def test_another_model_or_tokenizer_is_refused(model, served, ids, tmp_path):
    with model_server.running(served) as url:
        served.name = "other"
        with pytest.raises(UserError, match="serves other, not tiny"):
            ask(url, model, ids, tmp_path)
        served.name, served.faults = "tiny", ["another model"]
        with pytest.raises(UserError, match="'another' answered instead of 'tiny'"):
            ask(url, model, ids[:1], tmp_path)
        for served.tokenizer, served.ids in ((changed(model[2], fewer), True),
                                             (changed(model[2], fewer), False),
                                             (changed(model[2], swapped), True)):
            with pytest.raises(UserError, match=r"read a prompt of \d+ tokens as \d+ others"):
                ask(url, model, ids, tmp_path)
    assert sum(served.asked.values()) == 1  # nothing but the one question was spent on them


def changed(tokenizer, change):
    """The tokenizer with another vocabulary."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    core = json.loads(tokenizer.backend_tokenizer.to_str())
    change(core["model"])
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(core)))


def fewer(model):
    """Without the last merges: other tokens, and more of them."""
    model["merges"] = model["merges"][:100]


def swapped(model):
    """As many tokens, two of them under each other's number."""
    vocabulary = model["vocab"]
    vocabulary["x"], vocabulary["q"] = vocabulary["q"], vocabulary["x"]


@pytest.mark.parametrize(("fault", "message"), [
    ("reset", r"Connection error after 2 tries\. Start the server"),
    ("hang", r"timed out after 2 tries\. Start the server or raise the time-out"),
    ("500", "answered 500: .*try later.* Mend the request or the server"),
    ("429", "answered 429: .*try later"),
    ("cut", "Connection error after 2 tries"),
    ("no choice", "sent a reply without a choice 2 times"),
    ("no text", "sent a choice without text 2 times"),
    ("no json", "sent a reply that is no JSON 2 times"),
    ("400", "answered 400: .*the prompt.*is too long")])
def test_a_fault_that_stays_ends_in_one_line(model, served, ids, tmp_path, fault, message):
    served.faults, served.hang = [None, *[fault] * 9], 0.6
    with model_server.running(served) as url:
        endpoint = server.Endpoint(url, "tiny", 1, 0.5, 1)
        with pytest.raises(UserError, match=message) as caught:
            server.greedy(endpoint, model[2], ids[:3], LIMIT, "r", tmp_path, "test")
    assert "\n" not in str(caught.value)
    assert [row["i"] for row in rows(tmp_path)] == [0]  # what was answered is kept
    assert sum(served.asked.values()) == (2 if fault == "400" else 3)


def test_nobody_listens(model, ids, tmp_path):
    with pytest.raises(UserError, match=r"/models: Connection error\. Start the server"):
        ask("http://127.0.0.1:9/v1", model, ids, tmp_path, retries=0)
