"""What is left of the vocabulary."""

# ruff: noqa: D103

from __future__ import annotations

from functools import cache

LANGUAGES = {"en": "english", "es": "spanish"}
TO_LANGUAGE_CODE = {"english": "en", "spanish": "es", "castilian": "es"}


@cache
def get_tokenizer(
    multilingual: bool,
    *,
    num_languages: int = 99,
    language: str | None = None,
    task: str | None = None,
) -> str:
    if language is not None and language.lower() not in {*LANGUAGES, *TO_LANGUAGE_CODE}:
        raise ValueError(f"Unsupported language: {language}")
    return "tokenizer"
