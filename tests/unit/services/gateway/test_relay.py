"""The only publisher of transcribe requests."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import voxtrace.context
from unit.services.gateway.waiting import until
from voxtrace.errors import HealthCheckError
from voxtrace_services.core.broker import BrokerUnavailableError, UnroutableError
from voxtrace_services.core.memory import MemoryBroker
from voxtrace_services.core.messages import JobEvent
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.gateway import relay as relay_module
from voxtrace_services.gateway.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace_services.core.broker import Outgoing
    from voxtrace_services.gateway.jobs import Job, Jobs

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CARRIER = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


class WatchedBroker(MemoryBroker):
    """Remembers in which trace each message was published."""

    def __init__(self) -> None:
        super().__init__(policy=RetryPolicy(()))
        self.traces: list[str | None] = []

    def publish(self, message: Outgoing) -> None:
        """Publish, and remember the trace."""
        self.traces.append(voxtrace.context.trace_id())
        super().publish(message)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for."""
    monkeypatch.setattr(relay_module, "_FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(relay_module, "_LONGEST_PAUSE_SECONDS", 0.02)


def test_a_request_says_what_the_job_is(jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]) -> None:
    """The message carries the id, the audio's name, the language and the voice, and correlates by id."""
    add("j1", voice="anna")
    assert Relay(broker, jobs).send_unsent() == 1
    [delivery] = broker.take("transcribe")
    assert json.loads(delivery.body) == {
        "version": 1,
        "job_id": "j1",
        "audio": "j1/audio",
        "target_language": "es",
        "voice": "anna",
    }
    assert (delivery.type, delivery.correlation_id) == ("TranscribeRequest", "j1")


def test_requests_go_out_oldest_first_and_once(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]
) -> None:
    """What was uploaded first is sent first, and what was sent is not sent again."""
    for number in (3, 1, 2):
        add(f"j{number}", created_at=NOON + timedelta(seconds=number))
    relay = Relay(broker, jobs)
    assert (relay.send_unsent(), relay.send_unsent()) == (3, 0)
    assert [delivery.correlation_id for delivery in broker.take("transcribe")] == ["j1", "j2", "j3"]


def test_more_than_a_batch_is_sent_at_once(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog is sent whole, batch after batch."""
    monkeypatch.setattr(relay_module, "_BATCH", 2)
    for number in range(5):
        add(f"j{number}")
    assert Relay(broker, jobs).send_unsent() == 5


def test_a_request_is_sent_in_the_trace_of_its_upload(jobs: Jobs, add: Callable[..., Job]) -> None:
    """Each message is published under its own row's context, and none is left attached."""
    broker = WatchedBroker()
    add("j1", created_at=NOON, context=CARRIER)
    add("j2", created_at=NOON + timedelta(seconds=1))
    Relay(broker, jobs).send_unsent()
    assert broker.traces == [TRACE, None]
    assert voxtrace.context.trace_id() is None


def test_a_job_that_ended_is_not_sent(jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]) -> None:
    """The end may arrive before the row says sent, after a crash: that is no reason to send again."""
    add("j1")
    jobs.finish(JobEvent(job_id="j1", outcome="completed", stage="synthesis"))
    assert Relay(broker, jobs).send_unsent() == 0


def test_a_crash_between_sending_and_noting_sends_again(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may not have been sent is sent again: at least once, never not at all."""
    add("j1")
    with monkeypatch.context() as patch:

        def crash(_job_id: str) -> None:
            raise KeyboardInterrupt

        patch.setattr(jobs, "mark_sent", crash)
        with pytest.raises(KeyboardInterrupt):
            Relay(broker, jobs).send_unsent()
    assert Relay(broker, jobs).send_unsent() == 1
    assert [delivery.correlation_id for delivery in broker.take("transcribe")] == ["j1", "j1"]


@pytest.mark.usefixtures("quick")
def test_the_relay_sends_when_the_broker_is_back(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    """While the broker is away rows wait, the check says so, one line is logged; then all are sent."""
    caplog.set_level(logging.INFO)
    broker.available = False
    relay = Relay(broker, jobs)
    relay.start()
    try:
        add("j1")
        relay.wake()
        until(lambda: relay._failures > 2)
        with pytest.raises(HealthCheckError, match="uploads are kept"):
            relay.check()
        broker.available = True
        until(lambda: jobs.get("j1").sent_at is not None)
        until(lambda: relay._failures == 0)
        relay.check()
    finally:
        relay.stop(5)
    told = [record.message for record in caplog.records if record.name.endswith("relay")]
    assert told == ["relay cannot send; uploads wait", "relay sends again"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [UnroutableError("no queue"), RuntimeError("a bug")])
def test_nothing_ends_the_relay(
    jobs: Jobs,
    broker: MemoryBroker,
    add: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """A missing queue or a mistake of ours delays what is sent and loses nothing."""
    working, failed = broker.publish, []

    def publish(message: Outgoing) -> None:
        if len(failed) < 2:
            failed.append(message)
            raise error
        working(message)

    monkeypatch.setattr(broker, "publish", publish)
    add("j1")
    relay = Relay(broker, jobs)
    relay.start()
    try:
        until(lambda: jobs.get("j1").sent_at is not None)
    finally:
        relay.stop(5)


def test_waking_sends_at_once(jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]) -> None:
    """A woken relay does not wait for its next round."""
    relay = Relay(broker, jobs)
    relay.start()
    try:
        add("j1")
        relay.wake()
        until(lambda: jobs.get("j1").sent_at is not None, seconds=relay_module._IDLE_SECONDS / 2)
    finally:
        relay.stop(5)


def test_stopping_leaves_the_rest_to_the_next_process(
    jobs: Jobs, broker: MemoryBroker, add: Callable[..., Job]
) -> None:
    """A stopped relay sends no more; a new one sends what is left."""
    relay = Relay(broker, jobs)
    relay.start()
    relay.stop(5)
    assert not relay._thread.is_alive()
    add("j1")
    assert relay.send_unsent() == 0
    assert Relay(broker, jobs).send_unsent() == 1


def test_pauses_grow_and_stay_bounded() -> None:
    """The wait after a failure doubles up to a few seconds, however long the broker is away."""
    pauses = [relay_module._pause(failures) for failures in range(100)]
    assert all(0.1 <= pause <= 4.0 for pause in pauses)
    assert pauses[0] <= 0.25
    assert min(pauses[10:]) >= 2.0


def test_the_check_asks_the_broker(jobs: Jobs, broker: MemoryBroker) -> None:
    """With nothing to send, the broker's own answer counts."""
    relay = Relay(broker, jobs)
    relay.check()
    broker.available = False
    with pytest.raises(BrokerUnavailableError):
        relay.check()
