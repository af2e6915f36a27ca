"""How jobs end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from unit.services.gateway.waiting import until
from voxtrace import stages
from voxtrace_services.core.broker import Delivery, RejectedError
from voxtrace_services.core.messages import JobEvent
from voxtrace_services.gateway import events as events_module
from voxtrace_services.gateway.events import Events

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace_services.core.memory import MemoryBroker
    from voxtrace_services.gateway.jobs import Job, Jobs

COMPLETED = JobEvent(job_id="j1", outcome="completed", stage="synthesis")
FAILED = JobEvent(
    job_id="j1", outcome="failed", stage="translation", reason="unsupported_pair", detail="Try another."
)


def delivery(body: bytes) -> Delivery:
    """An event as it arrives."""
    return Delivery(body=body, routing_key="events", queue="events")


def ending(job: Job) -> tuple[object, ...]:
    """What the row says of the end."""
    return (job.outcome, job.failed_stage, job.failure_reason, job.failure_detail)


def test_a_completed_event_completes_the_job(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]
) -> None:
    """The row gets its outcome and its time, and nothing is published."""
    add("j1")
    assert Events(broker, jobs).handle(delivery(COMPLETED.model_dump_json().encode())) == ()
    job = jobs.get("j1")
    assert ending(job) == ("completed", None, None, None)
    assert job.finished_at is not None
    assert job.finished_at >= job.created_at


def test_a_failed_event_fails_the_job(jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]) -> None:
    """The row says which stage gave up and why."""
    add("j1")
    Events(broker, jobs).handle(delivery(FAILED.model_dump_json().encode()))
    assert ending(jobs.get("j1")) == ("failed", "translation", "unsupported_pair", "Try another.")


def test_an_ending_is_measured_once(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long the job took is recorded with its outcome and stage, and not again when the event is."""
    add("j1")
    measured: list[tuple[str, float, str | None]] = []
    monkeypatch.setattr(
        stages.Jobs,
        "finished",
        lambda _self, outcome, seconds, *, stage: measured.append((outcome, seconds, stage)),
    )
    consumer = Events(broker, jobs)
    for _ in range(2):
        consumer.handle(delivery(FAILED.model_dump_json().encode()))
    ((outcome, seconds, stage),) = measured
    assert (outcome, stage) == ("failed", "translation")
    assert seconds >= 0


def test_the_first_ending_stands(jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]) -> None:
    """An event that comes again, or late, changes nothing."""
    add("j1")
    consumer = Events(broker, jobs)
    consumer.handle(delivery(COMPLETED.model_dump_json().encode()))
    once = jobs.get("j1").finished_at
    consumer.handle(delivery(COMPLETED.model_dump_json().encode()))
    consumer.handle(delivery(FAILED.model_dump_json().encode()))
    assert ending(jobs.get("j1")) == ("completed", None, None, None)
    assert jobs.get("j1").finished_at == once


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"no json", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'{"version":2,"job_id":"j1"}', "unknown_version"),
        (b"{}", "invalid_message"),
        (COMPLETED.model_dump_json().encode().replace(b"completed", b"postponed"), "invalid_message"),
    ],
)
def test_what_is_no_event_is_rejected(jobs: Jobs, broker: MemoryBroker, body: bytes, reason: str) -> None:
    """No retry would mend a message of another shape, so it is rejected by what is wrong with it."""
    with pytest.raises(RejectedError) as caught:
        Events(broker, jobs).handle(delivery(body))
    assert caught.value.reason == reason


def test_an_event_of_no_job_is_rejected(jobs: Jobs, broker: MemoryBroker) -> None:
    """No retry would make the job appear: its row was committed before its request was sent."""
    with pytest.raises(RejectedError) as caught:
        Events(broker, jobs).handle(delivery(COMPLETED.model_dump_json().encode()))
    assert caught.value.reason == "unknown_job"


def test_events_are_consumed_from_their_queue(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]
) -> None:
    """The thread takes what is published to `events`, bad ones too, until it is stopped."""
    add("j1")
    consumer = Events(broker, jobs)
    consumer.start()
    try:
        broker.publish(COMPLETED.model_copy(update={"job_id": "stranger"}).outgoing("events"))
        broker.publish(COMPLETED.outgoing("events"))
        until(lambda: jobs.get("j1").outcome == "completed")
        until(lambda: [dead.correlation_id for dead in broker.take("speech.dead")] == ["stranger"])
    finally:
        consumer.stop(5)
    assert not consumer._thread.is_alive()


def test_a_broken_consumer_is_started_again(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the broker adapter raises, events are consumed again."""
    monkeypatch.setattr(events_module, "_RESTART_SECONDS", 0.01)
    working, failed = broker.consume, []

    def consume(*arguments: object) -> None:
        if not failed:
            failed.append(arguments)
            raise RuntimeError("a bug")
        working(*arguments)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(broker, "consume", consume)
    add("j1")
    consumer = Events(broker, jobs)
    consumer.start()
    try:
        broker.publish(COMPLETED.outgoing("events"))
        until(lambda: jobs.get("j1").outcome == "completed")
    finally:
        consumer.stop(5)
