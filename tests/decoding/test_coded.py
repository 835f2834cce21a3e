"""An NLLB of the true class: batches give what one sentence at a time gives."""

import pytest
import torch
from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizerFast

from stages.common import jsonl
from stages.common.errors import UserError
from stages.convert.encoder import tiny
from stages.convert.encoder.unigram import unigram_tokenizer
from stages.decoding import engines, translation
from stages.experiments import compare
from stages.model import protocols, system, weights

CODES = ["eng_Latn", "swh_Latn", "spa_Latn"]


@pytest.fixture(scope="module")
def texts(fixtures):
    return [row["eng_Latn"] for row in jsonl.read(fixtures / "tiny_train.jsonl")][:9]


@pytest.fixture(scope="module")
def folder(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nllb")
    unigram_tokenizer(tiny.pieces(texts, 200)).save_pretrained(folder / "plain")
    tokenizer = NllbTokenizerFast(tokenizer_file=str(folder / "plain/tokenizer.json"),
                                  additional_special_tokens=CODES)
    tokenizer.save_pretrained(folder / "model")
    torch.manual_seed(0)
    M2M100ForConditionalGeneration(M2M100Config(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, init_std=0.5,
        decoder_start_token_id=tokenizer.eos_token_id)).save_pretrained(folder / "model")
    return folder / "model"


def described(folder):
    return compare.system({"dtype": "float32", "engine": "hf", "protocol": "nllb"}, folder)


def test_batches_give_what_one_at_a_time_gives(folder, texts, tmp_path):
    network, tokenizer = system.load(described(folder), "cpu")
    assert type(network) is M2M100ForConditionalGeneration
    nllb = protocols.named("nllb")
    rows = [{"src": text, "src_lang": "eng_Latn", "tgt_lang": "swh_Latn"} for text in texts]
    job = translation.job(tokenizer, nllb, rows, [], None, "x")
    code = tokenizer.convert_tokens_to_ids("eng_Latn")
    assert all(code in ids and tokenizer.eos_token_id in ids for ids in job.prompts)
    [found] = engines.local(network, tokenizer, [job], nllb, 6, 40, "r", tmp_path)
    for text, (answer, truncated) in zip(texts, found, strict=True):
        tokenizer.src_lang = "eng_Latn"
        out = network.generate(
            **tokenizer(text, return_tensors="pt"), num_beams=4, do_sample=False, max_new_tokens=6,
            forced_bos_token_id=tokenizer.convert_tokens_to_ids("swh_Latn"))[0].tolist()
        assert out[1] == tokenizer.convert_tokens_to_ids("swh_Latn")
        assert answer == " ".join(tokenizer.decode(out, skip_special_tokens=True).split())
        assert truncated == (tokenizer.eos_token_id not in out[1:])
    assert len({answer for answer, _ in found}) > 2
    other = translation.job(tokenizer, nllb, [row | {"tgt_lang": "spa_Latn"} for row in rows], [],
                            None, "x")
    assert other.prompts == job.prompts  # only the first token of the answer differs
    assert engines.local(network, tokenizer, [other], nllb, 6, 40, "r", tmp_path) != [found]
    with pytest.raises(UserError, match="no language zul_Latn"):
        engines.local(network, tokenizer, [job._replace(target="zul_Latn")], nllb, 6, 40, "r",
                      tmp_path)


def test_weights_that_are_pickles_become_safetensors(folder, tmp_path):
    import shutil

    before = weights.stored(folder, {"model.encoder.layers.0.fc1.weight"})
    shutil.copytree(folder, tmp_path / "old")
    model = M2M100ForConditionalGeneration.from_pretrained(folder)
    (tmp_path / "old/model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "old/pytorch_model.bin")
    compare.rewritten(tmp_path / "old")
    assert not list((tmp_path / "old").glob("*.bin"))
    after = weights.stored(tmp_path / "old", set(before))
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert weights.revision(tmp_path / "old")
