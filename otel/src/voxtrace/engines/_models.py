"""Models: the name of one, short and stable, and whether it was used yet."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Final

from voxtrace.engines._notes import Notes

#: Folder names that say nothing about the model inside.
_ANONYMOUS = re.compile(
    r"models?|weights|checkpoints?|snapshots?|refs|ct2|ctranslate2|faster[-_]?whisper|whisper"
    r"|(int8|int16|float16|float32|bfloat16)(_\w+)?|[0-9a-f]{32,64}",
    re.IGNORECASE,
)
_HUB_FOLDER: Final = "models--"

#: OpenAI's released sizes, told by how many alignment heads `config.json` lists and which
#: (layer, head) comes first. Conversion and quantization keep them.
_SIZES: Final = {
    (8, (1, 0)): "tiny.en",
    (6, (2, 2)): "tiny",
    (5, (3, 3)): "base.en",
    (8, (3, 1)): "base",
    (19, (6, 6)): "small.en",
    (10, (5, 3)): "small",
    (18, (11, 4)): "medium.en",
    (6, (13, 15)): "medium",
    (9, (9, 19)): "large-v1",
    (23, (10, 12)): "large-v2",
    (10, (7, 0)): "large-v3",
    (6, (2, 4)): "large-v3-turbo",
}

_names: Notes[str] = Notes()
_cold: Notes[bool] = Notes()


def remember(model: object, name: str | None) -> None:
    """Keep the name of a loaded model for as long as the model lives."""
    if name:
        _names.put(model, name)


def recall(model: object) -> str | None:
    """Return the name of a loaded model, or None when it was loaded before we watched."""
    return _names.get(model)


def loaded(model: object) -> None:
    """Note that a model was just loaded: the first work with it is slower than the rest."""
    _cold.put(model, True)


def first_use(model: object) -> bool | None:
    """Tell whether nothing was done with a model since it was loaded; None when it was loaded unwatched."""
    if recall(model) is None:
        return None
    return _cold.take(model) or False


def model_name(given: object) -> str | None:
    """
    Return the name of a model from what its user gave: a size, a hub id or a path.

    A size or a hub id is its own name. A path never appears whole: a hub cache
    folder gives the hub id, a folder with a name of its own gives that name, and
    a folder called `model` or the like is named after the Whisper size inside
    it, else after its parent.
    """
    if not isinstance(given, str | os.PathLike):
        return None
    text = os.fspath(given)
    path = Path(os.fsdecode(text))
    if not path.is_dir():
        return text if isinstance(text, str) and re.fullmatch(r"[\w.-]+(/[\w.-]+)?", text) else path.name
    parts = path.absolute().parts
    for part in reversed(parts):
        if part.startswith(_HUB_FOLDER):
            return part.removeprefix(_HUB_FOLDER).replace("--", "/")
    if not _ANONYMOUS.fullmatch(parts[-1]):
        return parts[-1]
    parent = parts[-2] if len(parts) > 2 and not _ANONYMOUS.fullmatch(parts[-2]) else None  # noqa: PLR2004  # "/" and the folder itself
    return _size(path / "config.json") or parent


def _size(config: Path) -> str | None:
    try:
        heads = json.loads(config.read_text(encoding="utf-8"))["alignment_heads"]
        return _SIZES.get((len(heads), tuple(heads[0])))
    except (OSError, ValueError, LookupError, TypeError):
        return None
