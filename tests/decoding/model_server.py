"""A real HTTP server on this machine that answers with a real model, and can fail on purpose.

It speaks the part of OpenAI's API that vLLM and SGLang share: /v1/models, /v1/completions (ids or
text), /v1/chat/completions. Answers come from `generate` of transformers, one prompt at a time.
"""

import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

from stages.model import weights

FAULTS = ("reset", "429", "500", "cut", "no choice", "no text", "no json", "hang")


def talkative(model, folder):
    """A model made to write many texts, and line breaks and ends in some of them."""
    network, tokenizer = weights.load(model)
    with torch.no_grad():
        for layer in network.model.layers.parameters():
            if layer.dim() == 2:
                layer *= 10
        rows = network.get_input_embeddings().weight
        for token in (*tokenizer("\n")["input_ids"], tokenizer.eos_token_id):
            rows[token] *= 3
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Served:
    """The model behind the server, what it was asked and what goes wrong."""

    def __init__(self, network, tokenizer, name="tiny"):
        self.network, self.tokenizer, self.name = network, tokenizer, name
        self.faults = []  # one is taken off for each request about a known prompt, None: no fault
        self.asked = Counter()  # prompt ids -> times asked
        self.answers = {}
        self.ids, self.count, self.completions = True, True, True  # what it reports and offers
        self.thinking = False  # the template's default, for chats
        self.hang, self.pause = 3.0, 0.0  # seconds of a hang, and before each answer
        self.options = {}  # of the last request
        self.lock = threading.Lock()

    def prompt(self, body):
        if "messages" in body:
            return list(self.tokenizer.apply_chat_template(
                body["messages"], add_generation_prompt=True, return_dict=False,
                enable_thinking=self.thinking))
        if isinstance(body["prompt"], str):
            return list(self.tokenizer(body["prompt"])["input_ids"])
        return body["prompt"]

    def answer(self, ids, limit, stop):
        """Text before the first stop string, and why it ended."""
        key = (*ids, limit, *stop)
        with self.lock, torch.inference_mode():
            if key not in self.answers:
                out, end = [], "length"
                tokens = torch.tensor([ids])
                out = self.network.generate(
                    tokens, attention_mask=torch.ones_like(tokens), do_sample=False,
                    max_new_tokens=limit, eos_token_id=self.tokenizer.eos_token_id,
                    pad_token_id=self.tokenizer.pad_token_id)[0, len(ids):].tolist()
                if out[-1] == self.tokenizer.eos_token_id:
                    end = "stop"
                text = self.tokenizer.decode(out, skip_special_tokens=True)
                for mark in stop:
                    if mark in text:
                        text, end = text.split(mark)[0], "stop"
                self.answers[key] = text, end
            return self.answers[key]


def handler(served):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def send(self, status, value, cut=0):
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) - cut])
            if cut:
                self.drop()

        def drop(self):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def do_GET(self):
            self.send(200, {"object": "list", "data": [
                {"id": served.name, "object": "model", "created": 0, "owned_by": "me"}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat = self.path == "/v1/chat/completions"
            if not chat and not (self.path == "/v1/completions" and served.completions):
                return self.send(404, {"detail": "Not Found"})
            ids = served.prompt(body)
            fault = None
            if chat or not isinstance(body["prompt"], str):
                with served.lock:
                    served.asked[tuple(ids)] += 1
                    served.options = body
                    fault = served.faults.pop(0) if served.faults else None
            if fault == "reset":
                return self.drop()
            if fault in ("429", "500"):
                return self.send(int(fault), {"error": {"message": "try later"}})
            if fault == "400":
                return self.send(400, {"error": {"message": "the prompt\nis too long"}})
            if fault == "no json":
                return self.send(200, b'{"choices": [')
            if fault == "hang":
                time.sleep(served.hang)
            time.sleep(served.pause)
            text, end = served.answer(ids, body["max_tokens"], body["stop"] or [])
            choice = {"index": 0, "finish_reason": end} | (
                {"message": {"role": "assistant", "content": text}} if chat else {"text": text})
            if served.ids and body.get("return_token_ids"):
                choice["prompt_token_ids"] = ids
            if fault == "no text":
                choice |= {"message": {"role": "assistant", "content": None}} if chat else {
                    "text": None}
            reply = {"id": "1", "object": "chat.completion" if chat else "text_completion",
                     "created": 0, "choices": [] if fault == "no choice" else [choice],
                     "model": "another" if fault == "another model" else served.name}
            if served.count:
                reply["usage"] = {"prompt_tokens": len(ids), "completion_tokens": 1,
                                  "total_tokens": len(ids) + 1}
            self.send(200, reply, cut=20 if fault == "cut" else 0)

    return Handler


@contextmanager
def running(served):
    """Serve while the block lasts; gives the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(served))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
