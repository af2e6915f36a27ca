"""
Every setting of every service, read from `VOXTRACE_*`.

A secret can be a file instead, named after its variable in small letters (`voxtrace_amqp_url`), in the folder
that VOXTRACE_SECRETS_DIR names. A variable wins over a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0)]

SECRETS_DIR = "VOXTRACE_SECRETS_DIR"

_REDIS = ("redis://", "rediss://", "unix://")


def _state(name: str) -> Path:
    return Path.cwd() / ".voxtrace" / name


class SecretsMissingError(Exception):
    """The folder with secrets is not there."""


class Settings(BaseSettings):
    """The settings; a bad value stops the service at once and names the variable."""

    model_config = SettingsConfigDict(
        env_prefix="VOXTRACE_", frozen=True, env_ignore_empty=True, extra="ignore"
    )

    def __init__(self, **values: Any) -> None:
        folder = os.environ.get(SECRETS_DIR) or None
        if folder is not None and not Path(folder).is_dir():
            raise SecretsMissingError(
                f"{SECRETS_DIR} is {folder}, which is no folder: mount one there, or unset it"
            )
        super().__init__(_secrets_dir=folder, **values)

    amqp_url: str = "amqp://guest:guest@127.0.0.1:5673/%2F"
    amqp_heartbeat_seconds: Annotated[int, Field(ge=1)] = 60
    artifacts_url: str = Field(default_factory=lambda: _state("artifacts").as_uri())
    database_url: str = Field(default_factory=lambda: f"sqlite:///{_state('gateway.db')}")

    gateway_host: str = "127.0.0.1"
    gateway_port: Port = 8080
    health_host: str = "127.0.0.1"
    health_port: Port = 0
    #: Less space than this beside the artifacts, where they are on a disk, and the service is failing.
    disk_free_bytes: Annotated[int, Field(ge=0)] = 100 * 1024 * 1024
    #: Who may have a process profile itself: profiles show code, and cost CPU.
    profiling: Literal["off", "loopback", "anyone"] = "loopback"

    #: Whether faults can be switched on, for drills (core.faults): never where real work is done.
    faults: Literal["off", "on"] = "off"

    asr_engine: Literal["faster-whisper", "openai-whisper", "null"] = "faster-whisper"
    asr_model: str = "tiny.en"
    translation_engine: Literal["apertium", "argos", "null"] = "apertium"
    synthesis_engine: Literal["espeak-ng", "piper", "null"] = "espeak-ng"
    #: Piper's voices: the name of an installed one, an .onnx file, or a folder of such files.
    synthesis_model: str = "en_US-joe-medium"
    null_engine_seconds: Seconds = 0.0

    #: `memory://`, `none`, or the address of a Redis that the workers share.
    translation_cache_url: str = "memory://"
    translation_cache_entries: Annotated[int, Field(gt=0)] = 1000
    translation_cache_seconds: Annotated[float, Field(gt=0)] = 86_400.0

    max_upload_bytes: Annotated[int, Field(gt=0)] = 50 * 1024 * 1024
    max_audio_seconds: Annotated[float, Field(gt=0)] = 600.0

    #: Pauses before each retry; their number plus one is the number of attempts.
    retry_delays: Annotated[tuple[Seconds, ...], NoDecode] = (1.0, 5.0, 25.0)
    shutdown_grace_seconds: Seconds = 20.0

    console_host: str = "127.0.0.1"
    console_port: Port = 8090
    console_database: str = Field(default_factory=lambda: str(_state("console.duckdb")))
    console_retention_hours: Annotated[float, Field(gt=0)] = 72.0
    console_retention_bytes: Annotated[int, Field(gt=0)] = 1024**3

    @field_validator("retry_delays", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("translation_cache_url")
    @classmethod
    def _cache(cls, value: str) -> str:
        if value in {"memory://", "none"} or value.startswith(_REDIS):
            return value
        # Not quoted: it may hold a password.
        raise ValueError(
            "write memory://, none or redis://host:6379/0 (rediss:// for TLS, unix:// for a socket)"
        )
