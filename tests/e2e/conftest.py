"""The whole pipeline on real parts, and twenty uploads through it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.backend import TOKEN, Backend
from e2e.evidence import KINDS, StatusPolls, Upload, jaeger_trace, send, until
from voxtrace_services.cli.trace import Trace
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.stack import Stack

HERE = Path(__file__).parent


@pytest.fixture(scope="session", name="recordings")
def _recordings() -> Path:
    """Folder of real recorded speech."""
    found = importlib.util.find_spec("moonshine_voice")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "assets"


@pytest.fixture(scope="session", name="clips")
def _clips(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One clip per kind of upload, cut from real recordings."""
    folder = tmp_path_factory.mktemp("clips")

    def cut(name: str, start: float, seconds: float) -> Path:
        target = folder / name
        source = str(recordings / "two_cities.wav")
        subprocess.run(
            ["ffmpeg", "-v", "error", "-ss", str(start), "-t", str(seconds), "-i", source, str(target)],
            check=True,
        )
        return target

    broken = cut("broken.m4a", 0, 7)
    sound = broken.read_bytes()
    begin, end = sound.index(b"mdat") + 4, sound.index(b"moov") - 4
    # The index of packets is whole, so the gateway sees seven seconds; what it points to is noise.
    broken.write_bytes(sound[:begin] + b"\x55" * (end - begin) + sound[end:])
    return {
        "short": recordings / "clone-test.wav",
        "long": recordings / "beckett.wav",
        "broken": broken,
        "never": cut("never.wav", 0, 7),
        "once": cut("once.mp3", 13.6, 5.6),
    }


@pytest.fixture(scope="session", name="apertium")
def _apertium(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment that puts our failing apertium before the real one."""
    real = shutil.which("apertium")
    assert real is not None
    folder = tmp_path_factory.mktemp("shim")
    shutil.copy(HERE / "apertium", folder / "apertium")
    path = f"{folder}:{Path(real).parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "E2E_APERTIUM": real, "E2E_STATE": str(folder)}


@pytest.fixture(scope="session", name="backend")
def _backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A second Collector that demands a bearer token."""
    backend = Backend.make(tmp_path_factory.mktemp("backend"))
    backend.process.start()
    yield backend
    backend.process.stop()


@pytest.fixture(scope="session", name="pipeline")
def _pipeline(
    apertium: dict[str, str], backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Everything: RabbitMQ, Collector, Jaeger, Prometheus, console and the four services."""
    retries = {"VOXTRACE_RETRY_DELAYS": "0.5,1"}
    environment = {
        "gateway": retries,
        "asr": retries,
        # Most uploads are of the same words, and each is to have its translation: what is kept is too old.
        "translation": {**retries, **apertium, "VOXTRACE_TRANSLATION_CACHE_SECONDS": "0.000001"},
        "synthesis": retries,
    }
    folder = tmp_path_factory.mktemp("pipeline")
    with pytest.MonkeyPatch.context() as patch:
        # The two variables with which a user adds a backend; nothing else says that there is one.
        patch.setenv("VOXTRACE_OTLP_ENDPOINT", backend.endpoint)
        patch.setenv("VOXTRACE_OTLP_HEADERS", f"authorization=Bearer {TOKEN}")
        with Stack(folder, ports=Ports.free(), full=True, env=environment) as stack:
            yield stack


@pytest.fixture(scope="session", name="polls")
def _polls(pipeline: Stack) -> StatusPolls:
    """Whoever asks the gateway for an upload's state, and how often it did."""
    return StatusPolls(pipeline.gateway_url)


@pytest.fixture(scope="session", name="uploads")
def _uploads(pipeline: Stack, polls: StatusPolls, clips: dict[str, Path]) -> list[Upload]:
    """Twenty uploads, each followed to its end."""
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    accepted = [(kind, send(pipeline.gateway_url, kind, clips[kind])) for kind in kinds]
    uploads = []
    for kind, upload in accepted:
        last = until(
            lambda upload_id=upload["id"]: polls.ask(upload_id),
            lambda job: job["state"] in {"completed", "failed"},
            seconds=180,
        )
        uploads.append(
            Upload(
                kind=kind,
                id=upload["id"],
                trace_id=upload["trace_id"],
                state=last["state"],
                failure=last["failure"],
            )
        )
    return uploads


@pytest.fixture(scope="session", name="traces")
def _traces(pipeline: Stack, uploads: list[Upload]) -> dict[str, Trace]:
    """The trace of each upload as Jaeger has it, once its last span is there."""
    return {upload.id: jaeger_trace(pipeline, upload.trace_id) for upload in uploads}
