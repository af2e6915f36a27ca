"""What a service does about faults."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import psutil
import pytest

from voxtrace import semconv
from voxtrace.testing import CapturedTelemetry
from voxtrace_services.core import engines
from voxtrace_services.core.artifacts import ArtifactStore, ArtifactStoreUnavailableError
from voxtrace_services.core.broker import Delivery, Outgoing, RejectedError, ReturnedError
from voxtrace_services.core.engines import EngineError
from voxtrace_services.core.faults import Board, FaultyHealth, Injection, Wish
from voxtrace_services.core.memory import MemoryBroker
from voxtrace_services.core.messages import TranscribeRequest, TranslateRequest, decode
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.core.settings import Settings

FaultsOf = Callable[[str], Injection]
REQUEST = TranscribeRequest(job_id="j", audio="j/audio", target_language="es")


@dataclass
class Listening:
    """A stage that reads its recording and is struck in the midst of its work, as engines are."""

    heard: list[bytes] = field(default_factory=list)
    forgotten: int = 0

    queue: ClassVar[str] = "transcribe"
    request: ClassVar[type[TranscribeRequest]] = TranscribeRequest
    result: ClassVar[str] = "transcript.json"

    def work(self, request: TranscribeRequest, store: ArtifactStore) -> bytes:
        """Listen, and be struck twice."""
        with store.open(request.audio) as audio:
            self.heard.append(audio.read())
        engines.strike()
        return b"words"

    def follow(self, request: TranscribeRequest, result: bytes) -> Outgoing:
        """Pass it on."""
        return TranslateRequest(
            job_id=request.job_id, transcript="j/transcript.json", source_language="en", target_language="es"
        ).outgoing("translate")

    def forget(self) -> None:
        """Count."""
        self.forgotten += 1


@pytest.fixture(name="recorded")
def _recorded(store: ArtifactStore) -> ArtifactStore:
    store.write("j/audio", b"sound")
    return store


def test_off_nothing_is_looked_at(store: ArtifactStore) -> None:
    """Without the setting a service has no faults, and no thread that looks for them."""
    assert Settings().faults == "off"
    assert Injection.of("asr", store, Settings()) is None
    assert [thread for thread in threading.enumerate() if thread.name == "faults"] == []


def test_the_setting_allows_faults(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With VOXTRACE_FAULTS=on a service looks for faults, and says at warning that it does."""
    monkeypatch.setenv("VOXTRACE_FAULTS", "on")
    faults = Injection.of("asr", store, Settings())
    assert faults is not None
    faults.close()


def test_a_fault_befalls_whom_it_names(board: Board, faults_of: FaultsOf) -> None:
    """A fault of one service leaves the others alone; one of nobody in particular befalls all that it can."""
    board.switch_on("full-disk", Wish(service="asr"))
    board.switch_on("busy-cpu", Wish(minutes=1e-6))
    board.switch_on("cold-cache", Wish())
    on = {service: {one.name for one in faults_of(service).all()} for service in ("asr", "translation")}
    assert on == {"asr": {"full-disk"}, "translation": {"cold-cache"}}


def test_a_fault_is_known_soon(board: Board, store: ArtifactStore, caplog: pytest.LogCaptureFixture) -> None:
    """A service that looks by itself has the fault, and loses it, and warns of both."""
    with Injection("asr", store, look_seconds=0.01) as faults:
        board.switch_on("full-disk", Wish())
        _until(lambda: faults.on("full-disk") is not None)
        board.switch_off()
        _until(lambda: faults.on("full-disk") is None)
    said = [(one.message, one.levelno) for one in caplog.records if one.message.startswith("fault o")]
    assert said == [("fault on", logging.WARNING), ("fault off", logging.WARNING)]


def test_an_unreachable_list_changes_nothing(
    board: Board, faults_of: FaultsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store cannot be read, a fault stays as it was."""
    board.switch_on("full-disk", Wish())
    faults = faults_of("asr")

    def away(_self: Board) -> None:
        raise ArtifactStoreUnavailableError

    monkeypatch.setattr(Board, "read", away)
    faults.look()
    assert faults.on("full-disk") is not None


def test_a_share_is_left_to_chance(
    board: Board, faults_of: FaultsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the work, the share that was wished for is struck."""
    board.switch_on("full-disk", Wish(share=0.5))
    faults = faults_of("asr")
    draws = iter([0.49, 0.5, 0.1, 0.99])
    monkeypatch.setattr("random.random", lambda: next(draws))
    assert [faults.struck("full-disk") is not None for _ in range(4)] == [True, False, True, False]


def test_a_struck_span_says_so(board: Board, faults_of: FaultsOf, telemetry: CapturedTelemetry) -> None:
    """The span at hand has an event with the fault's name."""
    board.switch_on("full-disk", Wish())
    with telemetry.tracer("test").start_as_current_span("work"):
        faults_of("asr").struck("full-disk")
    (span,) = telemetry.spans()
    assert span["events"] == [
        {"name": semconv.EVENT_VOXTRACE_FAULT_STRUCK, semconv.VOXTRACE_FAULT_NAME: "full-disk"}
    ]


def test_a_failing_engine_fails_in_its_work(
    board: Board, faults_of: FaultsOf, recorded: ArtifactStore
) -> None:
    """The engine raises while it reads the recording."""
    board.switch_on("failing-engine", Wish())
    faults, stage = faults_of("asr"), Listening()
    with pytest.raises(EngineError, match="failing-engine is on"):
        faults.stage(stage).work(REQUEST, faults.store(recorded))
    assert stage.heard == []


def test_a_slow_engine_takes_longer_once(
    board: Board, faults_of: FaultsOf, recorded: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine sleeps once for each piece of work, and hears what it would have heard."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    board.switch_on("slow-engine", Wish(seconds=7))
    faults, stage = faults_of("asr"), Listening()
    assert faults.stage(stage).work(REQUEST, faults.store(recorded)) == b"words"
    assert (slept, stage.heard) == ([7], [b"sound"])


def test_without_a_fault_everything_is_as_ever(faults_of: FaultsOf, recorded: ArtifactStore) -> None:
    """With the setting on and no fault, the work and its message are the stage's own."""
    faults, stage = faults_of("asr"), Listening()
    faulty = faults.stage(stage)
    assert faulty.work(REQUEST, faults.store(recorded)) == b"words"
    assert decode(TranslateRequest, faulty.follow(REQUEST, b"").body).job_id == "j"
    assert (stage.heard, stage.forgotten) == ([b"sound"], 0)


def test_broken_audio_is_noise(board: Board, faults_of: FaultsOf, recorded: ArtifactStore) -> None:
    """What is read of a recording has its length and nothing else of it."""
    board.switch_on("broken-audio", Wish())
    faults, stage = faults_of("asr"), Listening()
    faults.stage(stage).work(REQUEST, faults.store(recorded))
    assert stage.heard == [b"UUUUU"]


def test_a_poison_message_cannot_be_read(board: Board, faults_of: FaultsOf) -> None:
    """What a worker sends is rejected by whoever gets it, and is still the job's."""
    board.switch_on("poison-message", Wish())
    message = faults_of("asr").stage(Listening()).follow(REQUEST, b"")
    assert message.correlation_id == "j"
    with pytest.raises(RejectedError):
        decode(TranslateRequest, message.body)


def test_a_cold_cache_has_forgotten(board: Board, faults_of: FaultsOf, recorded: ArtifactStore) -> None:
    """A stage that keeps something is told to forget it before each piece of work."""
    board.switch_on("cold-cache", Wish())
    faults, stage = faults_of("translation"), Listening()
    for _ in range(2):
        faults.stage(stage).work(REQUEST, faults.store(recorded))
    assert stage.forgotten == 2


def test_a_full_disk_takes_nothing(board: Board, faults_of: FaultsOf, store: ArtifactStore) -> None:
    """Writing fails for want of space, as the store fails on a real disk, and leaves nothing behind."""
    board.switch_on("full-disk", Wish())
    with pytest.raises(ArtifactStoreUnavailableError) as caught:
        faults_of("asr").store(store).write("j/transcript.json", b"words")
    assert isinstance(caught.value.__cause__, OSError)
    assert "No space left" in str(caught.value.__cause__)
    assert store.folder is not None
    assert list(store.folder.glob("j/*")) == []


def test_a_slow_disk_takes_its_time(
    board: Board, faults_of: FaultsOf, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing takes so many seconds longer, and succeeds."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    board.switch_on("slow-disk", Wish(seconds=4))
    faults_of("asr").store(store).write("j/transcript.json", b"words")
    assert (slept, store.read("j/transcript.json")) == ([4], b"words")


def test_a_returned_message_goes_back(board: Board, faults_of: FaultsOf) -> None:
    """A message is given back before any work, and comes again until it is held to kill its workers."""
    broker = MemoryBroker(policy=RetryPolicy(()))
    broker.publish(REQUEST.outgoing("transcribe"))
    board.switch_on("requeue", Wish())
    worked: list[Delivery] = []
    with _consuming(faults_of("asr"), broker, worked):
        _until(
            lambda: bool(dead := broker.take("speech.dead")) and dead[0].headers["x-reason"] == "worker_lost"
        )
    assert worked == []


def test_a_stopped_consumer_takes_nothing(board: Board, faults_of: FaultsOf) -> None:
    """Nothing is taken while the fault is on, and everything afterwards."""
    broker = MemoryBroker(policy=RetryPolicy(()))
    board.switch_on("stopped-consumer", Wish())
    faults = faults_of("asr")
    worked: list[Delivery] = []
    with _consuming(faults, broker, worked):
        broker.publish(REQUEST.outgoing("transcribe"))
        board.switch_off()
        assert worked == []
        faults.look()
        _until(lambda: len(worked) == 1)
        board.switch_on("stopped-consumer", Wish())
        faults.look()


def test_given_back_is_neither_retried_nor_dead() -> None:
    """The policy for failures lets a delivery that is given back alone."""

    def handle(_delivery: Delivery) -> Sequence[Outgoing]:
        raise ReturnedError

    delivery = Delivery(body=b"", routing_key="transcribe", queue="transcribe")
    with pytest.raises(ReturnedError):
        RetryPolicy((1.0,)).process(delivery, handle)


def test_a_leak_is_resident_and_given_back(board: Board, faults_of: FaultsOf) -> None:
    """The process holds so much more memory, up to the limit, and no more once the fault is off."""
    before = _resident_megabytes()
    board.switch_on("memory-leak", Wish(megabytes=150, limit_megabytes=200))
    faults = faults_of("asr")
    assert 120 < _resident_megabytes() - before < 200
    for _ in range(3):
        faults.look()
    assert 170 < _resident_megabytes() - before < 260
    board.switch_off()
    faults.look()
    assert _resident_megabytes() - before < 60


def test_busy_processors_are_let_go(board: Board, faults_of: FaultsOf) -> None:
    """Threads are at work while the fault is on, and none once it is off."""
    board.switch_on("busy-cpu", Wish())
    faults = faults_of("asr")
    assert _busy()
    board.switch_off()
    faults.look()
    assert not _busy()


def test_health_tells_of_faults(board: Board, faults_of: FaultsOf) -> None:
    """The report of a service lists its faults; they alone do not make it failing."""
    board.switch_on("slow-engine", Wish(service="asr", seconds=3))
    health = FaultyHealth("asr", {}, folder=".", faults=faults_of("asr"))
    report = health.report()
    assert report["status"] == "ok"
    assert [(fault["name"], fault["seconds"]) for fault in report["faults"]] == [("slow-engine", 3)]


class _consuming:  # noqa: N801  reads as a verb, as context managers do
    """A consumer in a thread, stopped and awaited at the end."""

    def __init__(self, faults: Injection, broker: MemoryBroker, worked: list[Delivery]) -> None:
        def handle(delivery: Delivery) -> Sequence[Outgoing]:
            worked.append(delivery)
            return ()

        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=faults.broker(broker).consume, args=("transcribe", handle, self._stop)
        )

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _resident_megabytes() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


def _busy() -> bool:
    return any(thread.name == "busy-cpu" for thread in threading.enumerate())
