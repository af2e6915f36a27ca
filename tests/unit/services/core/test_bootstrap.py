"""What a service that fails has to say."""

from __future__ import annotations

import pytest

from voxtrace_services.core import bootstrap
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.settings import Settings


class OtherSettings(Settings):
    """Settings with one of their own."""

    other: int = 0


@pytest.mark.parametrize("kind", [Settings, OtherSettings])
def test_wrong_settings(monkeypatch: pytest.MonkeyPatch, kind: type[Settings]) -> None:
    """Every wrong setting is told by its variable and its rule, without its value."""
    monkeypatch.setenv("VOXTRACE_HEALTH_PORT", "99999")
    monkeypatch.setenv("VOXTRACE_RETRY_DELAYS", "1,secret")
    with pytest.raises(ValueError, match="2 validation errors") as caught:
        kind()
    assert bootstrap._detail(caught.value) == (
        "VOXTRACE_HEALTH_PORT: Input should be less than or equal to 65535; VOXTRACE_RETRY_DELAYS: "
        "Input should be a valid number, unable to parse string as a number"
    )


def test_our_own_words() -> None:
    """An error of ours says what to do, as it was raised."""
    assert bootstrap._detail(EngineError("no apertium: install it")) == "no apertium: install it"


def test_words_of_others() -> None:
    """Anyone else's error is its type, and how to read the rest."""
    detail = bootstrap._detail(OSError("/home/someone: what was said"))
    assert detail == "OSError: set VOXTRACE_EXCEPTION_MESSAGES=true and start again to read what it says"
