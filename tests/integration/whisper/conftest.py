"""Tiny checkpoints of random weights."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import pytest

#: One layer each, English only; the sizes that the tokenizer and the windows fix are Whisper's own.
TINY = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 16,
    "n_audio_head": 2,
    "n_audio_layer": 1,
    "n_vocab": 51864,
    "n_text_ctx": 448,
    "n_text_state": 16,
    "n_text_head": 2,
    "n_text_layer": 1,
}
END_OF_TEXT = 50256


@pytest.fixture(scope="session", name="checkpoint")
def _checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as OpenAI publishes them, but for its size and its wits."""
    return _write(tmp_path_factory.mktemp("checkpoint") / "random.pt", multilingual=False)


@pytest.fixture(scope="session", name="multilingual_checkpoint")
def _multilingual_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for a model of many languages."""
    return _write(tmp_path_factory.mktemp("checkpoint") / "polyglot.pt", multilingual=True)


def _write(path: Path, *, multilingual: bool) -> Path:
    torch = importlib.import_module("torch")
    model = importlib.import_module("whisper.model")
    torch.manual_seed(7)
    # One token more is how Whisper tells; it stands before the end of the text.
    dimensions = model.ModelDimensions(**{**TINY, "n_vocab": TINY["n_vocab"] + multilingual})
    whisper = model.Whisper(dimensions)
    for weights in whisper.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    # Random weights never stop talking: let the end of the text be what it likes best.
    torch.nn.init.ones_(whisper.decoder.ln.bias)
    torch.nn.init.constant_(whisper.decoder.token_embedding.weight[END_OF_TEXT + multilingual], 2.0)
    torch.save({"dims": dataclasses.asdict(dimensions), "model_state_dict": whisper.state_dict()}, path)
    return path
