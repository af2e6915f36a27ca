"""Synthesis engines, with the program replaced at its boundary; the real one is an integration test."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import pytest

from voxtrace_services.core import engines
from voxtrace_services.core.broker import RejectedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.settings import Settings
from voxtrace_services.synthesis import engine
from voxtrace_services.synthesis.engine import EspeakNG

TABLE = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  es-419          --/M      Spanish_(Latin_America) roa/es-419           (es-mx 6)(es 6)
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
"""
#: Lists its voices, or writes its arguments and input where the sound should go.
TALKER = f"""\
#!/bin/sh
case "$1" in --voices) cat <<'END'
{TABLE}END
;; *) for last; do :; done; {{ echo "$1 $2 $3 $4 $5"; cat; }} > "$last" ;; esac
"""


@pytest.fixture(name="program")
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `espeak-ng` of ours, first on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program = tmp_path / "espeak-ng"
    program.write_text(TALKER)
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("language", "voice", "name"),
    [
        ("es-419", None, "es-419"),
        ("es-MX", None, "es-mx"),
        ("es", None, "es"),
        ("en-NZ", None, "en"),
        ("es", "en-gb", "en-gb"),
        ("es", "es-419+f3", "es-419+f3"),
        ("es", "gmw/en", "gmw/en"),
    ],
)
def test_voice(program: Path, language: str, voice: str | None, name: str) -> None:
    """The voice asked for speaks, else the language's own, else one of its primary language."""
    said = EspeakNG().synthesize("hola", language, voice)
    assert said == f"-v {name} -b 1 --stdin\nhola".encode()


def test_text_is_never_an_argument(program: Path) -> None:
    """Text that looks like an option is spoken."""
    assert EspeakNG().synthesize("--help", "es", None).endswith(b"\n--help")


@pytest.mark.parametrize(
    ("language", "voice", "reason"),
    [("tlh", None, "unsupported_language"), ("es", "nobody", "unsupported_voice")],
)
def test_unsupported(program: Path, language: str, voice: str | None, reason: str) -> None:
    """A language or voice that is not installed is rejected: no retry will install it."""
    with pytest.raises(RejectedError) as caught:
        EspeakNG().synthesize("hola", language, voice)
    assert caught.value.reason == reason


def test_failure_can_be_retried(program: Path) -> None:
    """A run that fails is an error without a word of the text or of the program's complaint."""
    espeak = EspeakNG()
    program.write_text("#!/bin/sh\ncat >&2; exit 3\n")
    with pytest.raises(EngineError, match=r"^espeak-ng ended with status 3$"):
        espeak.synthesize("what was said", "es", None)


def test_timeout(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that hangs is ended, and its error quotes nothing."""
    espeak = EspeakNG()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(engines, "_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(EngineError, match=r"more than 0\.2 s") as caught:
        espeak.synthesize("what was said", "es", None)
    assert caught.value.__cause__ is None


def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the program the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="apt-get install espeak-ng"):
        EspeakNG()


def test_null() -> None:
    """The stand-in gives a short silence, as a whole WAV file."""
    sound = engine.load(Settings(synthesis_engine="null")).synthesize("hola", "es", None)
    with wave.open(io.BytesIO(sound)) as file:
        assert file.getnframes() / file.getframerate() == 0.1
