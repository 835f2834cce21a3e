"""Shared by the tests: a real, tiny instruct model."""

import os

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1",
               "DVC_NO_ANALYTICS": "1"}

from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A Qwen3 of six narrow layers with random weights and a tokenizer of the fixture's text."""
    from stages.convert import assets
    from stages.convert.model import tiny

    folder = tmp_path_factory.mktemp("tiny") / "model"
    texts = [text for _, text in assets.labelled([FIXTURES / "tiny_train.jsonl"])]
    tiny.qwen3(texts, folder, depth=6)
    return folder


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Folder of the self-written parallel text and items."""
    return FIXTURES
