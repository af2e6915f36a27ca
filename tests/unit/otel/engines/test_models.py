"""A model has one short name, whatever its user gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from voxtrace.engines._models import model_name

TINY_EN = [[1, 0], [2, 0], [2, 5], [3, 0], [3, 1], [3, 2], [3, 3], [3, 4]]


def folder(path: Path, heads: Any = None) -> Path:
    """Make a model's folder, with the alignment heads in its configuration."""
    path.mkdir(parents=True)
    if heads is not None:
        (path / "config.json").write_text(json.dumps({"alignment_heads": heads}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("tiny.en", "tiny.en"),
        ("Systran/faster-whisper-small", "Systran/faster-whisper-small"),
        ("/not/there/large-v3", "large-v3"),
        (Path("not/there/large-v3"), "large-v3"),
        (None, None),
        (7, None),
    ],
)
def test_what_is_no_folder_is_its_own_name(given: object, name: str | None) -> None:
    """A size or a hub id is taken as it is; of a path, the last name."""
    assert model_name(given) == name


def test_a_folder_with_a_name_gives_that_name(tmp_path: Path) -> None:
    """What people called their model is what they want to see, whatever is inside."""
    assert model_name(str(folder(tmp_path / "models" / "court-room-2", TINY_EN))) == "court-room-2"


def test_a_folder_of_the_hub_cache_gives_the_hub_id(tmp_path: Path) -> None:
    """Not the hash of the snapshot."""
    snapshot = tmp_path / "models--Systran--faster-whisper-tiny" / "snapshots" / ("d9" * 20)
    assert model_name(folder(snapshot)) == "Systran/faster-whisper-tiny"


def test_an_anonymous_folder_is_named_after_the_size_inside(tmp_path: Path) -> None:
    """The alignment heads in config.json tell OpenAI's sizes apart."""
    assert model_name(folder(tmp_path / "package" / "model", TINY_EN)) == "tiny.en"


@pytest.mark.parametrize("heads", [None, [[9, 9]], [], {}, "x", [[{}]]])
def test_an_anonymous_folder_of_unknown_content_is_named_after_its_parent(tmp_path: Path, heads: Any) -> None:
    """No configuration, or one that says nothing, is no failure."""
    assert model_name(folder(tmp_path / "meeting-room" / "model", heads)) == "meeting-room"


def test_no_name_is_better_than_a_path(tmp_path: Path) -> None:
    """Two anonymous folders in a row give no name."""
    assert model_name(folder(tmp_path / "models" / "int8_float16")) is None
