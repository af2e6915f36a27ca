"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from voxtrace_services.core.settings import SECRETS_DIR, SecretsMissingError, Settings


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any variable everything is local and under .voxtrace."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VOXTRACE_{name.upper()}", raising=False)
    settings = Settings()
    assert settings.retry_delays == (1.0, 5.0, 25.0)
    assert settings.artifacts_url.startswith("file:///")
    assert settings.artifacts_url.endswith("/.voxtrace/artifacts")
    assert settings.asr_model == "tiny.en"
    assert settings.health_port == 0


@pytest.mark.parametrize(
    ("text", "delays"), [("1,5,25", (1.0, 5.0, 25.0)), ("0.5, 1", (0.5, 1.0)), (",", ()), ("3", (3.0,))]
)
def test_retry_delays(monkeypatch: pytest.MonkeyPatch, text: str, delays: tuple[float, ...]) -> None:
    """Delays are a comma list of seconds; a lone comma means no retry."""
    monkeypatch.setenv("VOXTRACE_RETRY_DELAYS", text)
    assert Settings().retry_delays == delays


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ASR_ENGINE", "guess"),
        ("RETRY_DELAYS", "1,soon"),
        ("HEALTH_PORT", "99999"),
        ("TRANSLATION_CACHE_URL", "memcached://host"),
        ("TRANSLATION_CACHE_ENTRIES", "0"),
    ],
)
def test_wrong_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A wrong value is refused, and named."""
    monkeypatch.setenv(f"VOXTRACE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    ("url", "read"),
    [("", "memory://"), ("none", "none"), ("redis://:pw@host:6379/0", "redis://:pw@host:6379/0")],
)
def test_translation_cache(monkeypatch: pytest.MonkeyPatch, url: str, read: str) -> None:
    """The translation cache is in memory unless an address or `none` says otherwise."""
    monkeypatch.setenv("VOXTRACE_TRANSLATION_CACHE_URL", url)
    assert Settings().translation_cache_url == read


def test_a_secret_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file named after the variable, in small letters, is the setting; a variable wins over it."""
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    for name in ("VOXTRACE_AMQP_URL", "VOXTRACE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "voxtrace_amqp_url").write_text("amqp://from:file@broker\n")
    (tmp_path / "voxtrace_database_url").write_text("postgresql+psycopg://from:file@database")
    monkeypatch.setenv("VOXTRACE_DATABASE_URL", "sqlite://")

    settings = Settings()
    assert (settings.amqp_url, settings.database_url) == ("amqp://from:file@broker", "sqlite://")


def test_a_missing_folder_of_secrets_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the folder a service does not fall back to defaults: it says what to mount."""
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path / "none"))
    with pytest.raises(SecretsMissingError, match=SECRETS_DIR):
        Settings()
