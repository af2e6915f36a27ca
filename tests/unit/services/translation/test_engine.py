"""Translation engines, with the program replaced at its boundary; the real one is an integration test."""

from __future__ import annotations

from pathlib import Path

import pytest

from voxtrace_services.core import engines
from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.settings import Settings
from voxtrace_services.translation import engine
from voxtrace_services.translation.engine import Apertium

#: Lists its pairs, or says which pair it was run with.
TALKER = """\
#!/bin/sh
if [ "$1" = -l ]; then printf '  eng-spa\\n  spa-eng\\n  spa-eng_US\\n  oc-fr\\n'; else echo "$1:"; cat; fi
"""


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `apertium` of ours, first on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program = tmp_path / "apertium"
    program.write_text(TALKER)
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("source", "target", "pair"),
    [
        ("en", "es", "eng-spa"),
        ("eng", "spa", "eng-spa"),
        ("en", "es-419", "eng-spa"),
        ("es", "en", "spa-eng"),
        ("es", "en-US", "spa-eng_US"),
        ("oc", "fr", "oc-fr"),
    ],
)
def test_pair(program: Path, source: str, target: str, pair: str) -> None:
    """A pair is found by two letters, by three, and by region where there is one."""
    assert Apertium().translate("hello", source, target) == f"{pair}:\nhello"


@pytest.mark.parametrize(("source", "target"), [("en", "de"), ("en", "en"), ("tlh", "es")])
def test_unsupported(program: Path, source: str, target: str) -> None:
    """A pair that is not installed is rejected: no retry will install it."""
    with pytest.raises(RejectedError) as caught:
        Apertium().translate("hello", source, target)
    assert caught.value.reason == "unsupported_language"


@pytest.mark.parametrize(
    ("marked", "clean"),
    [
        ("El *zyzzyx sentó.", "El zyzzyx sentó."),
        ("*Hello @world #decir", "Hello world decir"),
        ("a@b.example, #1, 2 * 3, 4*x", "a@b.example, #1, 2 * 3, 4*x"),
    ],
)
def test_marks(program: Path, marked: str, clean: str) -> None:
    """Apertium's marks on words are gone; what only looks like one stays."""
    assert Apertium().translate(marked, "en", "es") == f"eng-spa:\n{clean}"


def test_blanks(program: Path) -> None:
    """Where Apertium dropped a word one blank stays; line breaks and margins are left alone."""
    translated = Apertium().translate("América  él muy bien\n\n  edad  de", "en", "es")
    assert translated == "eng-spa:\nAmérica él muy bien\n\n  edad de"


def test_failure_can_be_retried(program: Path) -> None:
    """A run that fails is an error without a word of the text or of the program's complaint."""
    apertium = Apertium()
    program.write_text("#!/bin/sh\ncat >&2; exit 3\n")
    with pytest.raises(EngineError, match=r"^apertium ended with status 3$"):
        apertium.translate("what was said", "en", "es")


def test_timeout(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that hangs is ended, and its error quotes nothing."""
    apertium = Apertium()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(engines, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(EngineError, match=r"more than 0\.2 s") as caught:
        apertium.translate("what was said", "en", "es")
    assert caught.value.__cause__ is None


def test_no_pairs(program: Path) -> None:
    """Apertium without any pair says which package to install, at start."""
    program.write_text("#!/bin/sh\n")
    with pytest.raises(EngineError, match="apt-get install apertium-eng-spa"):
        Apertium()


def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the program the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="apt-get install apertium"):
        Apertium()


def test_null() -> None:
    """The stand-in leaves the text alone."""
    assert engine.load(Settings(translation_engine="null")).translate("hello", "en", "es") == "hello"
