"""What every broker promises."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import pytest

from contract.broker.harness import JOB, Harness, Recorder, consuming, request, until
from voxtrace_services.core.broker import Delivery, Outgoing, RejectedError, ReturnedError, UnroutableError


class EngineBrokeError(Exception):
    """Stands for whatever an engine may raise."""


def test_message_arrives_as_published(harness: Harness) -> None:
    """A delivery carries body, ids, type and headers of what was published, as a first attempt."""
    broker = harness.open()
    broker.publish(request(body=b'{"a": 1}', type="TranscribeRequest", headers={"traceparent": "00-1-2-01"}))
    handler = Recorder()
    with consuming(broker, "transcribe", handler):
        until(lambda: handler.seen)
    [delivery] = handler.seen
    assert delivery == Delivery(
        body=b'{"a": 1}',
        routing_key="transcribe",
        queue="transcribe",
        message_id="message-1",
        correlation_id=JOB,
        type="TranscribeRequest",
        # A recorder of traces may add headers of its own.
        headers=delivery.headers,
        attempt=1,
    )
    assert "traceparent" in delivery.headers


def test_unroutable(harness: Harness) -> None:
    """A message that no queue takes is refused, not lost."""
    with pytest.raises(UnroutableError, match="topology"):
        harness.open().publish(request("nowhere"))


def test_handled_once(harness: Harness) -> None:
    """What a handler returns is published, and its delivery is gone."""
    broker = harness.open()
    broker.publish(request())
    with consuming(broker, "transcribe", Recorder(lambda _: [request("translate", body=b"next")])):
        taken: list[Delivery] = []
        until(lambda: taken.extend(harness.take("translate")) or taken)
    assert [delivery.body for delivery in taken] == [b"next"]
    assert harness.take("transcribe") == []
    assert harness.take("speech.dead") == []


def test_given_back(harness: Harness) -> None:
    """A delivery that a handler gives back comes again at once, and that it was returned is counted."""
    broker = harness.open()
    broker.publish(request())

    def work(delivery: Delivery) -> Sequence[Outgoing]:
        if delivery.returned < 2:
            raise ReturnedError
        return []

    handler = Recorder(work)
    with consuming(broker, "transcribe", handler):
        until(lambda: len(handler.seen) == 3)
    assert [(one.attempt, one.returned, one.redelivered) for one in handler.seen] == [
        (1, 0, False),
        (1, 1, True),
        (1, 2, True),
    ]
    assert harness.take("speech.dead") == []


def test_one_at_a_time(harness: Harness) -> None:
    """A worker holds one delivery, so that another worker may take the next."""
    broker = harness.open()
    for _ in range(3):
        broker.publish(request())
    working = threading.Lock()
    overlaps: list[Delivery] = []

    def work(delivery: Delivery) -> Sequence[Outgoing]:
        if not working.acquire(blocking=False):
            overlaps.append(delivery)
            return []
        time.sleep(0.05)
        working.release()
        return []

    handler = Recorder(work)
    with consuming(broker, "transcribe", handler):
        until(lambda: len(handler.seen) == 3)
    assert overlaps == []


def test_retry(harness: Harness) -> None:
    """A failed delivery comes again after its delay, as the next attempt of the same message."""
    broker = harness.open()
    broker.publish(request(headers={"traceparent": "00-1-2-01"}))
    times: list[float] = []

    def fail_once(delivery: Delivery) -> Sequence[Outgoing]:
        times.append(time.monotonic())
        if delivery.attempt == 1:
            raise EngineBrokeError
        return []

    handler = Recorder(fail_once)
    with consuming(broker, "transcribe", handler):
        until(lambda: len(handler.seen) == 2)
    assert [(one.attempt, one.message_id, one.correlation_id, one.body) for one in handler.seen] == [
        (1, "message-1", JOB, b"{}"),
        (2, "message-1", JOB, b"{}"),
    ]
    assert 0.2 <= times[1] - times[0] < 5
    assert "traceparent" in handler.seen[1].headers
    assert harness.take("speech.dead") == []


def test_attempts_exhausted(harness: Harness) -> None:
    """After the last attempt the message is dead, with its reason, and its job has failed."""
    broker = harness.open()
    broker.publish(request())

    def fail(_delivery: Delivery) -> Sequence[Outgoing]:
        raise EngineBrokeError("no more")

    handler = Recorder(fail)
    dead: list[Delivery] = []
    with consuming(broker, "transcribe", handler):
        until(lambda: dead.extend(harness.take("speech.dead")) or dead)
    assert [delivery.attempt for delivery in handler.seen] == [1, 2, 3]
    assert [(one.body, one.routing_key, one.message_id, one.correlation_id) for one in dead] == [
        (b"{}", "transcribe", "message-1", JOB)
    ]
    assert headers(dead[0]) == {
        "x-attempt": 3,
        "x-exception-type": f"{EngineBrokeError.__module__}.EngineBrokeError",
        "x-exception-message": "no more",
        "x-reason": "attempts_exhausted",
    }
    assert events(harness) == [
        {
            "version": 1,
            "job_id": JOB,
            "outcome": "failed",
            "stage": "transcription",
            "reason": "attempts_exhausted",
            "detail": "failed 3 times, at last by EngineBrokeError",
        }
    ]


def test_rejected(harness: Harness) -> None:
    """A rejected delivery is dead at once, under the reason given, and its job has failed."""
    broker = harness.open()
    broker.publish(request("translate"))

    def reject(_delivery: Delivery) -> Sequence[Outgoing]:
        raise RejectedError("unsupported_language", "nobody speaks it")

    handler = Recorder(reject)
    dead: list[Delivery] = []
    with consuming(broker, "translate", handler):
        until(lambda: dead.extend(harness.take("speech.dead")) or dead)
    assert len(handler.seen) == 1
    assert [headers(one) for one in dead] == [
        {
            "x-attempt": 1,
            "x-exception-type": "unsupported_language",
            "x-exception-message": "unsupported_language: nobody speaks it",
            "x-reason": "unsupported_language",
        }
    ]
    assert [(one["stage"], one["reason"], one["detail"]) for one in events(harness)] == [
        ("translation", "unsupported_language", "nobody speaks it")
    ]


@pytest.mark.parametrize(
    ("queue", "job"), [("events", JOB), ("transcribe", None), ("transcribe", "../../etc/passwd")]
)
def test_nobody_to_tell(harness: Harness, queue: str, job: str | None) -> None:
    """A dead message that belongs to no stage or no job fails no job."""
    broker = harness.open()
    broker.publish(request(queue, job=job))

    def reject(_delivery: Delivery) -> Sequence[Outgoing]:
        raise RejectedError("not_json", "the message is not JSON")

    dead: list[Delivery] = []
    with consuming(broker, queue, Recorder(reject)):
        until(lambda: dead.extend(harness.take("speech.dead")) or dead)
    assert harness.take("events") == []


def test_hostile_headers(harness: Harness) -> None:
    """Headers of any type and size come along as far as they fit, and never stop the worker."""
    hostile = {
        "traceparent": 7,
        "baggage": b"\xff",
        "x-attempt": "many",
        "nested": {"list": [1]},
        "tracestate": "x" * 60_000,
    }
    broker = harness.open()
    broker.publish(request(headers=hostile))

    def reject(_delivery: Delivery) -> Sequence[Outgoing]:
        raise RejectedError("not_json", "the message is not JSON")

    handler = Recorder(reject)
    dead: list[Delivery] = []
    with consuming(broker, "transcribe", handler):
        until(lambda: dead.extend(harness.take("speech.dead")) or dead)
    assert handler.seen[0].attempt == 1
    assert dead[0].headers["x-reason"] == "not_json"
    assert dead[0].headers["nested"] == {"list": [1]}
    assert "x" * 60_000 not in dead[0].headers.values()


def test_stop_lets_work_finish(harness: Harness) -> None:
    """Work that ends within the grace is finished: its result is out and its delivery gone."""
    broker = harness.open(grace=10)
    broker.publish(request())
    started, finish = threading.Event(), threading.Event()

    def work(_delivery: Delivery) -> Sequence[Outgoing]:
        started.set()
        finish.wait(10)
        return [request("translate")]

    with consuming(broker, "transcribe", work) as stop:
        assert started.wait(10)
        stop.set()
        finish.set()
    assert len(harness.take("translate")) == 1
    assert harness.take("transcribe") == []


def test_stop_gives_work_back(harness: Harness) -> None:
    """Work that outlives the grace is given back, at once, for another worker to take."""
    broker = harness.open(grace=0.3)
    broker.publish(request())
    started, finish = threading.Event(), threading.Event()

    def work(_delivery: Delivery) -> Sequence[Outgoing]:
        started.set()
        finish.wait(30)
        return [request("translate")]

    with consuming(broker, "transcribe", work) as stop:
        assert started.wait(10)
        stop.set()
    [returned] = harness.take("transcribe")
    finish.set()
    assert returned.redelivered
    assert returned.attempt == 1
    assert harness.take("translate") == []


def test_stop_takes_nothing_new(harness: Harness) -> None:
    """While stopping, a worker leaves what waits to others."""
    broker = harness.open()
    for _ in range(2):
        broker.publish(request())
    started, finish = threading.Event(), threading.Event()

    def work(_delivery: Delivery) -> Sequence[Outgoing]:
        started.set()
        finish.wait(10)
        return []

    handler = Recorder(work)
    with consuming(broker, "transcribe", handler) as stop:
        assert started.wait(10)
        stop.set()
        time.sleep(0.3)
        finish.set()
    assert len(handler.seen) == 1
    assert len(harness.take("transcribe")) == 1


def test_lost_connection(harness: Harness) -> None:
    """A delivery whose connection is lost comes again once its work is over, never beside it."""
    broker = harness.open()
    broker.publish(request())
    started = threading.Event()
    finish = threading.Event()
    done: list[str] = []

    def work(_delivery: Delivery) -> Sequence[Outgoing]:
        if not done:
            started.set()
            finish.wait(10)
            done.append("the work")
        return [request("translate")]

    handler = Recorder(work)
    taken: list[Delivery] = []
    with consuming(broker, "transcribe", handler):
        assert started.wait(10)
        harness.drop_connections()
        time.sleep(1)
        assert len(handler.seen) == 1
        finish.set()
        until(lambda: taken.extend(harness.take("translate")) or taken)
        until(lambda: len(handler.seen) == 2)
    assert [delivery.redelivered for delivery in handler.seen] == [False, True]
    assert done == ["the work"]
    assert len(taken) == 1
    assert harness.take("transcribe") == []


def test_worker_lost(harness: Harness) -> None:
    """A message that its workers do not survive is dead after four of them."""
    broker = harness.open()
    broker.publish(request())
    deaths: list[Delivery] = []
    dead: list[Delivery] = []

    def die(delivery: Delivery) -> Sequence[Outgoing]:
        deaths.append(delivery)
        harness.drop_connections()
        time.sleep(0.3)
        return []

    with consuming(broker, "transcribe", die):
        until(lambda: dead.extend(harness.take("speech.dead")) or dead)
    assert [delivery.returned for delivery in deaths] == [0, 1, 2, 3]
    assert dead[0].headers["x-reason"] == "worker_lost"
    assert [one["reason"] for one in events(harness)] == ["worker_lost"]


def test_check(harness: Harness) -> None:
    """A broker that answers is well, consuming or not."""
    broker = harness.open()
    broker.check()
    with consuming(broker, "transcribe", Recorder()):

        def well() -> bool:
            with suppress(Exception):
                broker.check()
                return True
            return False

        until(well)
    broker.close()


def headers(delivery: Delivery) -> dict[str, object]:
    """The headers that the retry policy wrote."""
    ours = ("x-attempt", "x-reason", "x-exception-type", "x-exception-message")
    return {name: value for name, value in delivery.headers.items() if name in ours}


def events(harness: Harness) -> list[dict[str, object]]:
    """The events that wait, which may be a moment behind the dead letter."""
    taken: list[Delivery] = []
    until(lambda: taken.extend(harness.take("events")) or taken)
    return [json.loads(delivery.body) for delivery in taken]
