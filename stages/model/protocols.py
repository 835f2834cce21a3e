"""How a translation is asked for, by name: prompt, template or none, where an answer ends, length.

The paper publishes none of it. ``desk`` is this project's own (``prompts``); the others are those
of code or model cards by the same group and by the systems compared with. A system may have one of
its own (``systems.<name>.protocol``), else the suite's holds for all.

    protocol  prompt           answer                    tokens  beams  source
    desk      chat             ends at a line break      suite   1      ours
    benchmax  chat             to its end, first line    512     1      CONE-MT/BenchMAX
    walar     chat             to its end, whole         512     1      LeiLiLab/WALAR
    llamax    Alpaca, no chat  to its end, first line    256     4      CONE-MT/LLaMAX
    tower     chat             to its end, whole         512     1      card of Tower-Plus-9B
    hunyuan   chat             to its end, whole         512     1      README of Hunyuan-MT
    seedx     no chat, tag     to its end, first line    512     4      README of Seed-X-7B
    nllb      language codes   one sentence              512     4      NLLB-200, encoder-decoder

Hunyuan-MT is published with sampling; here it is greedy, so that two runs agree (ours).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..common import languages
from ..common.errors import BAD_CONFIG, UserError
from . import prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Chat = list[dict[str, str]]


class Protocol(NamedTuple):
    """One way to ask. ``prompt`` takes src, tgt and text, and tag, the target's two letters."""

    prompt: str
    chat: bool = True  # through the tokenizer's template, thinking off; else as it is
    stop_at_line: bool = False  # decoding ends at a line break
    whole: bool = False  # keep all lines of an answer, joined; else the first
    max_new_tokens: int | None = 512
    beams: int = 1
    names: Mapping[str, str] = {}  # where they differ from the language table
    prompt_chinese: str = ""  # the prompt where one side is Chinese, target named in Chinese
    codes: bool = False  # an encoder-decoder that is told languages by code, and nothing else


ALPACA = ("Below is an instruction that describes a task, paired with an input that provides "
          "further context. Write a response that appropriately completes the request.\n"
          "### Instruction:\nTranslate the following sentences from {src} to {tgt}.\n"
          "### Input:\n{text}\n### Response:")
CHINESE = {
    "arb_Arab": "阿拉伯语", "ben_Beng": "孟加拉语", "ces_Latn": "捷克语", "deu_Latn": "德语",
    "eng_Latn": "英语", "fra_Latn": "法语", "guj_Gujr": "古吉拉特语", "heb_Hebr": "希伯来语",
    "hin_Deva": "印地语", "ind_Latn": "印尼语", "ita_Latn": "意大利语", "jpn_Jpan": "日语",
    "khm_Khmr": "高棉语", "kor_Hang": "韩语", "mar_Deva": "马拉地语", "mya_Mymr": "缅甸语",
    "nld_Latn": "荷兰语", "pes_Arab": "波斯语", "pol_Latn": "波兰语", "por_Latn": "葡萄牙语",
    "rus_Cyrl": "俄语", "spa_Latn": "西班牙语", "tam_Taml": "泰米尔语", "tel_Telu": "泰卢固语",
    "tgl_Latn": "菲律宾语", "tha_Thai": "泰语", "tur_Latn": "土耳其语", "ukr_Cyrl": "乌克兰语",
    "urd_Arab": "乌尔都语", "vie_Latn": "越南语", "zho_Hans": "中文", "zsm_Latn": "马来语"}
PROTOCOLS = {
    "desk": Protocol(prompts.INSTRUCTION, stop_at_line=True, max_new_tokens=None),
    "benchmax": Protocol(
        "Translate the following text from {src} to {tgt}.\n\n{src} source:\n{text}\n\n"
        "{tgt} translation:",
        names={"zho_Hans": "Simplified Chinese", "srp_Cyrl": "Cyrillic Serbian"}),
    "walar": Protocol("{text}\nTranslate from {src} to {tgt}:\n", whole=True),
    "llamax": Protocol(ALPACA, chat=False, max_new_tokens=256, beams=4,
                       names={"zho_Hans": "Chinese Simpl"}),
    "tower": Protocol("Translate the following {src} source text to {tgt}:\n{src}: {text}\n{tgt}: ",
                      whole=True, names={"por_Latn": "Portuguese (Portugal)",
                                         "zho_Hans": "Chinese (Simplified)"}),
    "hunyuan": Protocol(
        "Translate the following segment into {tgt}, without additional explanation.\n\n{text}",
        whole=True, prompt_chinese="把下面的文本翻译成{tgt}，不要额外解释。\n\n{text}"),
    "seedx": Protocol("Translate the following {src} sentence into {tgt}:\n{text} <{tag}>",
                      chat=False, beams=4),
    "nllb": Protocol("{text}", chat=False, whole=True, beams=4, codes=True),
}


def named(name: str) -> Protocol:
    """The protocol of a name in params.yaml."""
    if name not in PROTOCOLS:
        raise UserError(f"params.yaml: protocol {name!r} is not one of {', '.join(PROTOCOLS)}",
                        BAD_CONFIG)
    return PROTOCOLS[name]


def length(name: str, wanted: int | None) -> int:
    """Tokens of an answer: those that the suite wants, else those of the protocol."""
    found = named(name).max_new_tokens if wanted is None else wanted
    if found is None:
        raise UserError(f"params.yaml: protocol {name} has no length of its own. Set the suite's "
                        "max_new_tokens", BAD_CONFIG)
    return found


def question(protocol: Protocol, text: str, src_lang: str, tgt_lang: str) -> str:
    """The user turn, or where there is no chat the whole prompt."""
    def said(code: str) -> str:
        return protocol.names.get(code) or languages.name(code)

    target, prompt = said(tgt_lang), protocol.prompt
    if protocol.prompt_chinese and "zho_Hans" in (src_lang, tgt_lang):
        prompt = protocol.prompt_chinese
        if not (target := CHINESE.get(tgt_lang, "")):
            raise UserError(f"{tgt_lang} has no Chinese name in stages/model/protocols.py. Add it, "
                            "or leave the direction out", BAD_CONFIG)
    return prompt.format(src=said(src_lang), tgt=target, text=text,
                         tag=languages.get(tgt_lang).lid)


def messages(protocol: Protocol, text: str, src_lang: str, tgt_lang: str,
             shots: Iterable[prompts.Shot] = (), system: str | None = None) -> Chat:
    """The chat of a question: optional system turn, one solved exchange per shot, the question.

    Without a chat template there is one turn and nothing before it. Raises UserError where the
    system asks for more than that.
    """
    if not protocol.chat and (list(shots) or system):
        raise UserError("params.yaml: a protocol without chat has no system turn and no shots. "
                        "Set the system's shots to 0 and its system to null", BAD_CONFIG)
    chat = [] if system is None else [{"role": "system", "content": system}]
    for source, target in shots:
        chat += [{"role": "user", "content": question(protocol, source, src_lang, tgt_lang)},
                 {"role": "assistant", "content": target}]
    return [*chat, {"role": "user", "content": question(protocol, text, src_lang, tgt_lang)}]


def ids(protocol: Protocol, tokenizer: PreTrainedTokenizerBase, chat: Chat, src_lang: str,
        ) -> list[int]:
    """Token ids of the prompt, up to where the answer starts; those of ``prompts`` for a chat."""
    if protocol.chat:
        return prompts.prompt_ids(tokenizer, chat)
    if protocol.codes:
        tokenizer.src_lang = src_lang  # type: ignore[attr-defined]
    return list(tokenizer(chat[-1]["content"])["input_ids"])


def described(name: str, max_new_tokens: int, batch_tokens: int, engine: str) -> str:
    """Decoding in words, for the signature of a run."""
    protocol = named(name)
    kept = "whole answer" if protocol.whole else "first line"
    search = f"beams={protocol.beams}" if protocol.beams > 1 else "greedy"
    words = f"{search}, {kept}, max_new_tokens={max_new_tokens}"
    return ", ".join([*([f"protocol {name}"] if name != "desk" else []), words,
                      f"batch_tokens={batch_tokens}" if engine == "hf" else f"engine {engine}"])
