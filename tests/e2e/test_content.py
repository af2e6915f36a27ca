"""What people say, type and name their files, and what exceptions quote, is in no telemetry."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pika
import pytest

from e2e.evidence import until
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.stack import Stack

HERE = Path(__file__).parent
JOBS = 100
#: Where content is meant to be: what was uploaded and made of it, and the job's row with its Idempotency-Key.
CONTENT = ("artifacts", "gateway.db", "gateway.db-wal", "gateway.db-shm")
TYPED = "canarytyped"
NAMED = "canarynamed"
QUOTED = "canaryinthestderr"
#: Words that a transcript may share with our own vocabulary are too short to be canaries.
LETTERS = 6


@dataclass(frozen=True)
class Told:
    """What the gateway's users were told: their own words."""

    words: frozenset[str]
    states: tuple[str, ...]


@pytest.fixture(name="clips", scope="module")
def _clips(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """As many short clips as there are jobs, all of them of other words; their names are canaries too."""
    folder = tmp_path_factory.mktemp("clips")
    pattern = folder / f"{NAMED}-%03d.wav"
    source = str(recordings / "two_cities.wav")
    for start in range(JOBS // 10):
        command = ["ffmpeg", "-v", "error", "-ss", str(start * 0.31), "-i", source, "-f", "segment"]
        subprocess.run(
            [*command, "-segment_time", "4", "-segment_start_number", str(start * 100), str(pattern)],
            check=True,
        )
    clips = sorted(folder.glob("*.wav"))
    long = [clip for clip in clips if clip.stat().st_size > 100_000]
    assert len(long) >= JOBS
    return long[:JOBS]


@pytest.fixture(name="engines", scope="module")
def _engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment that puts our talkative apertium before the real one."""
    real = shutil.which("apertium")
    assert real is not None
    folder = tmp_path_factory.mktemp("engines")
    shutil.copy(HERE / "apertium-tells", folder / "apertium")
    return {"PATH": f"{folder}:{Path(real).parent}:/usr/local/bin:/usr/bin:/bin", "E2E_APERTIUM": real}


def upload(gateway: str, clip: Path) -> str:
    """Send a clip, and before it a form that is refused, with typed canaries in every field."""
    for field in ("voice", "target_language", TYPED):
        refused = httpx.post(
            f"{gateway}/v1/uploads",
            files={"audio": (clip.name, b"RIFF" + TYPED.encode())},
            data={field: f"{TYPED} {TYPED}"},
            headers={"Idempotency-Key": f"{TYPED}-{clip.stem}"},
            timeout=30,
        )
        assert refused.status_code in {400, 415, 422}
    accepted = httpx.post(
        f"{gateway}/v1/uploads",
        files={"audio": (clip.name, clip.read_bytes())},
        headers={"Idempotency-Key": f"{TYPED}-{clip.stem}"},
        timeout=30,
    )
    assert accepted.status_code == 202, accepted.text
    return str(accepted.json()["id"])


def follow(gateway: str, upload_id: str) -> tuple[str, str]:
    """The state in which an upload ended, and all that its user can read of it."""
    job = until(
        lambda: httpx.get(f"{gateway}/v1/uploads/{upload_id}", timeout=30).json(),
        lambda found: found["state"] in {"completed", "failed"},
        seconds=240,
    )
    answers = [
        httpx.get(f"{gateway}/v1/uploads/{upload_id}/{name}", timeout=30)
        for name in ("transcript", "translation")
    ]
    texts = [answer.json()["text"] for answer in answers if answer.status_code == 200]
    return job["state"], " ".join(texts)


def work(stack: Stack, clips: list[Path]) -> Told:
    """Send all clips and follow each to its end."""
    ids = [upload(stack.gateway_url, clip) for clip in clips]
    ended = [follow(stack.gateway_url, upload_id) for upload_id in ids]
    words = {word.lower() for _, text in ended for word in re.findall(r"\w+", text) if len(word) >= LETTERS}
    return Told(frozenset(words), tuple(state for state, _ in ended))


def dead_letters(stack: Stack) -> list[bytes]:
    """Every dead letter with its headers, as bytes."""
    found = []
    with pika.BlockingConnection(pika.URLParameters(stack.rabbitmq.url)) as connection:
        channel = connection.channel()
        while (letter := channel.basic_get("speech.dead", auto_ack=True))[0] is not None:
            _, properties, body = letter
            found.append(repr(vars(properties)).encode() + bytes(body or b""))
    return found


def stored(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every row of the console as bytes, by the name of its table: spans, metrics and logs."""
    with duckdb.connect(str(database), read_only=True) as connection:
        for (table,) in connection.execute("SELECT table_name FROM information_schema.tables").fetchall():
            for row in connection.execute(f"SELECT * FROM {table}").fetchall():  # noqa: S608  # its own name
                yield table, b"\0".join(one if isinstance(one, bytes) else str(one).encode() for one in row)


def files(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """All files of a platform, but for the content itself, which is where it belongs."""
    for path in stack.data_dir.rglob("*"):
        if path.is_file() and not set(path.parts) & set(CONTENT):
            yield str(path.relative_to(stack.data_dir)), path.read_bytes()


def found_in(source: Iterator[tuple[str, bytes]], words: frozenset[str]) -> dict[str, set[str]]:
    """The words that occur, and where; as whole words, whatever their case."""
    pattern = re.compile(
        rb"(?<![a-z])(" + b"|".join(re.escape(word.encode()) for word in sorted(words)) + rb")(?![a-z])"
    )
    hits: dict[str, set[str]] = {}
    for where, content in source:
        for word in pattern.findall(content.lower()):
            hits.setdefault(word.decode(), set()).add(where)
    return hits


def spans(database: Path) -> list[dict[str, Any]]:
    """The attributes of every span in the console."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return [dict(row[0]) for row in connection.execute("SELECT attributes FROM spans").fetchall()]


@pytest.mark.timeout(600)
def test_content_stays_where_it_belongs(clips: list[Path], engines: dict[str, str], tmp_path: Path) -> None:
    """A hundred jobs later none of their words is in a span, metric, log, dead letter or queue's file."""
    environment = {"translation": {**engines, "VOXTRACE_RETRY_DELAYS": "0.1"}}
    with Stack(tmp_path, ports=Ports.free(), full=True, env=environment) as stack:
        # What programs say by themselves tells nothing of anybody.
        before = b" ".join(content for _, content in files(stack)).lower()
        told = work(stack, clips)
        letters = dead_letters(stack)
        jaeger = httpx.get(f"{stack.jaeger_url}/api/v3/services", timeout=30).content
        prometheus = httpx.get(
            f"{stack.prometheus_url}/api/v1/series?match[]={{job!=''}}", timeout=30
        ).content
    assert (len(told.states), {*told.states}) == (JOBS, {"completed", "failed"})
    spoken = {word for word in told.words if word.encode() not in before}
    assert len(spoken) >= 50
    assert letters
    canaries = frozenset(spoken | {TYPED, NAMED, QUOTED})
    left = [
        *files(stack),
        *stored(stack.data_dir / "console.duckdb"),
        ("jaeger", jaeger),
        ("prometheus", prometheus),
    ]
    left += [("speech.dead", letter) for letter in letters]
    assert {where for where, _ in left} >= {"spans", "points", "logs", "logs/asr.log"}
    assert found_in(iter(left), canaries) == {}


def test_content_leaves_under_one_prefix_where_it_is_switched_on(clips: list[Path], tmp_path: Path) -> None:
    """Switched on, the words are on spans, under names of `speech.pii` and no others."""
    capturing = {"VOXTRACE_CAPTURE_CONTENT": "true"}
    environment = dict.fromkeys(("asr", "translation", "synthesis"), capturing)
    with Stack(tmp_path, ports=Ports.free(), env=environment) as stack:
        told = work(stack, clips[:3])
    said = [(name, text) for one in spans(stack.data_dir / "console.duckdb") for name, text in one.items()]
    hits = found_in(((name, text.encode()) for name, text in said), told.words)
    assert {name for names in hits.values() for name in names} == {
        "speech.pii.transcript",
        "speech.pii.source_text",
        "speech.pii.translation",
        "speech.pii.spoken_text",
    }
