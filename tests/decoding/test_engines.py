"""Translations by a served model are those of the local one; an interruption loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from stages import eval_mt
from stages.common import jsonl
from stages.common.errors import UserError
from stages.decoding import engines, greedy, translation
from stages.model import protocols, provenance, system, weights
from tests import stage_fixture
from tests.decoding import model_server
from tests.test_eval_mt import SYSTEM, workspace  # noqa: F401

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["test.jsonl", "dev.jsonl", "lid", "spm"]


def settings(folder, name, url=None, engine="server", protocol="desk", threads=1, **more):
    translation = {"test_set": "toy", "segments": None, "max_new_tokens": 6, "batch_tokens": 500,
                   "spbleu_label": "toy", "engine": engine, "protocol": protocol,
                   "languages": None, "pivots": ["eng_Latn"]}
    stage_fixture.params(
        folder, 6, recipe={
            "systems": {name: SYSTEM | more},
            "suites": {"s": {"eval_mt": translation, "format": {"languages": {}}}},
            "machine": stage_fixture.MACHINE | {"threads": threads, "server": url and {
                "url": url, "concurrency": 4, "timeout": 20}}},
        format={"languages": {"swh_Latn": {"resource": "low"}}}, offline=True)


def rows(name):
    return list(jsonl.read(f"out/{name}/segments.jsonl"))


@pytest.fixture(scope="module")
def place(workspace, tiny_model, tmp_path_factory):  # noqa: F811
    """The stage's inputs with a model that has something to say."""
    folder = tmp_path_factory.mktemp("engines")
    for name in ("test.jsonl", "dev.jsonl", "lid", "spm"):
        (folder / name).symlink_to(workspace / name)
    model_server.talkative(tiny_model, folder / "model")
    return folder


@pytest.fixture
def folder(place, monkeypatch):
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def served(folder):
    network, tokenizer = weights.load(folder / "model")
    name = engines.served_name("base", SYSTEM)
    assert name == f"base-{weights.revision(folder / 'model')[:12]}"
    return model_server.Served(network, tokenizer, name)


@pytest.mark.parametrize("protocol", ["desk", "benchmax", "walar", "hunyuan"])
def test_a_served_system_translates_as_the_local_one(folder, served, protocol):
    settings(folder, "base", engine="hf", protocol=protocol)
    eval_mt.main(["base", *ARGUMENTS, "out/base"])
    local = rows("base")
    with model_server.running(served) as url:
        settings(folder, "base", url, protocol=protocol)
        eval_mt.main(["base", *ARGUMENTS, "out/served"])
    assert rows("served") == local and any(row["hyp"] for row in local)
    about, served_meta = (json.loads(Path(f"out/{name}/meta.json").read_text())["signature"]
                          for name in ("base", "served"))
    assert served_meta["decoding"].endswith("engine server")
    assert {**about, "decoding": ""} == {**served_meta, "decoding": ""}
    assert not list(Path("data/scratch").rglob("*.json*"))


def test_thinking_is_off_to_the_token(folder, served):
    """The ids that the server read hold Qwen3's empty think block, in every prompt."""
    with model_server.running(served) as url:
        settings(folder, "base", url)
        eval_mt.main(["base", *ARGUMENTS, "out/base"])
    block = served.tokenizer("<think>\n\n</think>\n\n")["input_ids"]
    assert served.asked and all(list(ids[-len(block):]) == block for ids in served.asked)


def test_another_model_name_is_refused_with_the_one_to_use(folder, served):
    name, served.name = served.name, "Qwen/Qwen3-8B"
    with model_server.running(served) as url:
        settings(folder, "base", url)
        with pytest.raises(UserError, match=f"serves Qwen/Qwen3-8B, not {name}"):
            eval_mt.main(["base", *ARGUMENTS, "out/base"])
    assert not served.asked


def test_without_an_address_the_name_to_serve_is_said(folder, served):
    settings(folder, "base")
    with pytest.raises(UserError, match=f"machine.server is empty.*under the name {served.name}"):
        eval_mt.main(["base", *ARGUMENTS, "out/base"])
    settings(folder, "base", engine="vllm")
    with pytest.raises(UserError, match="engine 'vllm' is not one of hf, server"):
        eval_mt.main(["base", *ARGUMENTS, "out/base"])


def test_what_is_made_of_the_weights_has_a_name_of_its_own(folder):
    rounded = SYSTEM | {"derive": {"round": "q4_1"}}
    assert engines.served_name("base", SYSTEM) != engines.served_name("base", rounded)
    assert engines.served_name("base", rounded)[5:] == provenance.made(
        Path("model"), rounded["derive"])[:12]


def test_killed_in_the_middle_no_prompt_is_asked_twice(folder, served):
    served.pause = 0.1
    scratch = engines.SCRATCH / "eval_mt/base"
    with model_server.running(served) as url:
        settings(folder, "base", url)
        process = subprocess.Popen(
            [sys.executable, "-m", "stages.eval_mt", "base", *ARGUMENTS, "out/killed"], cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)

        def kept():
            return sum(file.read_text().count("\n") for file in scratch.glob("*.jsonl"))

        while process.poll() is None and not kept():
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not Path("out/killed/segments.jsonl").exists()
        before, served.asked, served.pause = kept(), Counter(), 0.0
        eval_mt.main(["base", *ARGUMENTS, "out/killed"])
    assert sum(served.asked.values()) == len(rows("killed")) - before < len(rows("killed"))
    assert not scratch.exists()
    settings(folder, "base", engine="hf")
    eval_mt.main(["base", *ARGUMENTS, "out/whole"])
    assert rows("killed") == rows("whole")


def test_interrupted_locally_no_batch_is_translated_twice(folder, monkeypatch):
    settings(folder, "base", engine="hf", threads=1)
    eval_mt.main(["base", *ARGUMENTS, "out/whole"])
    asked, decode = [], greedy.decoded

    def second_fails(network, tokenizer, batch, *rest):
        asked.append(batch)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return decode(network, tokenizer, batch, *rest)

    monkeypatch.setattr(engines.greedy, "decoded", second_fails)
    with pytest.raises(KeyboardInterrupt):
        eval_mt.main(["base", *ARGUMENTS, "out/again"])
    assert not Path("out/again").exists()
    eval_mt.main(["base", *ARGUMENTS, "out/again"])
    assert asked[1] == asked[2] and [*map(asked.count, asked)].count(2) == 2
    assert sum(len(batch.prompts) for batch in asked) == len(rows("again")) + len(asked[1].prompts)
    assert rows("again") == rows("whole")
    assert Path("out/again/meta.json").read_text() == Path("out/whole/meta.json").read_text()


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_writes_the_same_bytes(folder, threads):
    for name, count in (("one", 1), ("more", threads)):
        settings(folder, "base", engine="hf", threads=count)
        eval_mt.main(["base", *ARGUMENTS, f"out/{name}"])
    for file in ("segments.jsonl", "meta.json"):
        assert Path(f"out/one/{file}").read_bytes() == Path(f"out/more/{file}").read_bytes()


def test_a_prompt_that_the_model_cannot_read_is_refused(folder, monkeypatch):
    settings(folder, "base", engine="hf")
    load = eval_mt.load

    def short(*arguments):
        network, tokenizer = load(*arguments)
        network.config.max_position_embeddings = 12
        return network, tokenizer

    monkeypatch.setattr(eval_mt, "load", short)
    with pytest.raises(UserError, match=r"base .*a prompt has .* but the model reads 12\. Lower"):
        eval_mt.main(["base", *ARGUMENTS, "out/long"])


def test_beams_are_those_of_generate(tiny_model):
    import torch

    network, tokenizer = weights.load(tiny_model)
    protocol = protocols.named("llamax")
    job = translation.job(tokenizer, protocol, [
        {"src": text, "src_lang": "eng_Latn", "tgt_lang": "swh_Latn"}
        for text in ("The cat sleeps.", "Water is warm.", "Bread")], [], None, "x")
    found = greedy.greedy(network, tokenizer, job.prompts, 5, 100, [], "x", greedy.all_lines, 4)
    for prompt, (text, truncated) in zip(job.prompts, found, strict=True):
        out = network.generate(torch.tensor([prompt]), num_beams=4, do_sample=False,
                               max_new_tokens=5, eos_token_id=tokenizer.eos_token_id,
                               pad_token_id=tokenizer.eos_token_id)[0, len(prompt):].tolist()
        ended = tokenizer.eos_token_id in out
        assert text == greedy.all_lines(tokenizer.decode(out, skip_special_tokens=True))
        assert truncated == (not ended)
    with pytest.raises(UserError, match="searches with beams, which a server does not"):
        engines.served(None, tokenizer, [job], protocol, 5, "r", Path("x"))


def test_the_tokenizer_of_a_served_system_is_that_of_its_base(folder):
    found, loaded = system.tokenizer(SYSTEM), weights.load(folder / "model")[1]
    assert found.get_vocab() == loaded.get_vocab()
    assert found.chat_template == loaded.chat_template


def test_pivots_with_every_language_none_twice():
    assert translation.routes(["swh_Latn", "spa_Latn"], ["eng_Latn"]) == [
        ("swh_Latn", "eng_Latn"), ("eng_Latn", "swh_Latn"),
        ("spa_Latn", "eng_Latn"), ("eng_Latn", "spa_Latn")]
    many = translation.routes(["a", "b", "c"], ["eng_Latn", "a"])
    assert len(many) == len(set(many)) == 10  # 3 x 2 with English, 2 x 2 more with a
    assert ("a", "a") not in many


def test_two_other_languages_meet_in_the_ids_that_both_have():
    tests = [{"id": n, "cluster": "d", "src": f"en {n}", "tgt": f"{lang} {n}",
              "src_lang": "eng_Latn", "tgt_lang": lang}
             for lang, ids in (("a", "123"), ("b", "234")) for n in ids]
    found = translation.aligned(tests, "a", "b", None)
    assert {(row["src"], row["tgt"]) for row in found} == {("a 2", "b 2"), ("a 3", "b 3")}
    assert all((row["src_lang"], row["tgt_lang"]) == ("a", "b") for row in found)
    assert [row["id"] for row in found] == [
        row["id"] for row in translation.aligned(tests, "b", "a", None)]
    assert len(translation.aligned(tests, "a", "b", 1)) == 1
    with pytest.raises(UserError, match="neither side is English"):
        translation.solved([], "a", "b", 2, 0)
