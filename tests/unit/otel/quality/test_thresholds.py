"""Thresholds: by argument, by environment, or as documented."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxtrace import _guard
from voxtrace.quality import ENVIRONMENT_PREFIX, Thresholds, configured

README = Path(__file__).resolve().parents[4] / "otel/README.md"
FIELDS = {field.name: field.default for field in dataclasses.fields(Thresholds)}


@pytest.fixture(autouse=True)
def _unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "_reported", set())


def test_without_a_word_the_defaults_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an argument, nor None, nor an empty variable changes or says anything."""
    monkeypatch.setenv("VOXTRACE_QUALITY_SNR", " ")
    assert configured() == configured(snr=None) == Thresholds()
    assert caplog.records == []


@pytest.mark.parametrize("name", FIELDS)
def test_each_threshold_has_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """VOXTRACE_QUALITY_ and the name in capitals set a threshold, and no other."""
    monkeypatch.setenv(ENVIRONMENT_PREFIX + name.upper(), " 1 ")
    value = ("1",) if name == "languages" else 1
    assert configured() == dataclasses.replace(Thresholds(), **{name: value})
    assert type(getattr(configured(), name)) is type(FIELDS[name])


def test_an_argument_is_stronger_than_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both speak, code has the word; languages may be a text or a list."""
    monkeypatch.setenv("VOXTRACE_QUALITY_SNR", "6")
    monkeypatch.setenv("VOXTRACE_QUALITY_LANGUAGES", "en, es,")
    assert configured().languages == ("en", "es")
    thresholds = configured(snr=3, languages=["de"])
    assert (thresholds.snr, thresholds.languages) == (3.0, ("de",))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("snr", "loud", "a number; 12.0"),
        ("snr", "inf", "a number; 12.0"),
        ("avg_logprob", "nan", "a number; -1.0"),
        ("clipping_ratio", "5", "a number from 0 to 1; 0.05"),
        ("most_length_ratio", "-1", "a number from 0; 2.5"),
        ("repetition_words", "2.5", "a whole number from 0; 5"),
    ],
)
def test_a_bad_variable_is_reported_once_with_what_is_used(
    name: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A value that makes no sense costs one line in the log, and the default stays."""
    monkeypatch.setenv(variable := ENVIRONMENT_PREFIX + name.upper(), value)
    with caplog.at_level(logging.ERROR, "voxtrace"):
        assert configured() == configured() == Thresholds()
    (record,) = caplog.records
    assert f"could not use {variable}: say {expected} is used instead" in record.getMessage()


def test_a_bad_argument_gives_way_to_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next source is asked, and the report says so."""
    monkeypatch.setenv("VOXTRACE_QUALITY_LANGUAGES", "es")
    assert configured(languages=7).languages == ("es",)
    assert "use the argument languages: say codes of languages, such as en,es; es is used" in caplog.text


def test_a_number_beyond_all_floats_is_a_bad_one(caplog: pytest.LogCaptureFixture) -> None:
    """What no float can hold is reported as any other nonsense."""
    assert configured(snr=10**400) == Thresholds()
    assert "use the argument snr: say a number; 12.0 is used instead" in caplog.text


def test_an_unknown_argument_is_refused() -> None:
    """A misspelt name is an error that lists the names."""
    with pytest.raises(TypeError, match=r"There is no threshold volume. There are: clipping_ratio, "):
        configured(volume=1.0)


@given(
    st.sampled_from(sorted(FIELDS)),
    st.text() | st.floats() | st.integers() | st.lists(st.integers() | st.text()),
)
def test_whatever_is_said_there_are_thresholds(name: str, value: Any) -> None:
    """No value raises, and every number is finite."""
    thresholds = dataclasses.asdict(configured(**{name: value}))
    assert all(isinstance(limit, tuple) or abs(limit) < float("inf") for limit in thresholds.values())


def test_the_page_names_every_threshold_with_its_default() -> None:
    """otel/README.md lists each variable and what holds without it."""
    page = README.read_text(encoding="utf-8")
    for name, default in FIELDS.items():
        shown = "none" if default == () else f"`{default:g}`"
        assert f"| `{ENVIRONMENT_PREFIX}{name.upper()}` | {shown} |" in page
