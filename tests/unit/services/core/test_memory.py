"""What the in-memory broker offers to tests beyond the contract."""

from __future__ import annotations

import pytest

from voxtrace_services.core.broker import BrokerUnavailableError, Outgoing
from voxtrace_services.core.memory import MemoryBroker
from voxtrace_services.core.retries import RetryPolicy

MESSAGE = Outgoing(routing_key="transcribe", body=b"{}", message_id="m")


def test_switched_off() -> None:
    """Switched off, it fails as a broker that is down, and keeps what it had."""
    broker = MemoryBroker(policy=RetryPolicy(()))
    broker.publish(MESSAGE)
    broker.available = False
    with pytest.raises(BrokerUnavailableError):
        broker.publish(MESSAGE)
    with pytest.raises(BrokerUnavailableError):
        broker.check()
    broker.available = True
    broker.check()
    assert len(broker.take("transcribe")) == 1


def test_delays_go_by_the_clock() -> None:
    """A held message is back once the injected clock says so."""
    now = 100.0
    broker = MemoryBroker(policy=RetryPolicy((5.0,)), clock=lambda: now)
    broker.publish(Outgoing(exchange="speech.retry.5s", routing_key="transcribe", body=b"{}", message_id="m"))
    now = 104.9
    assert broker.take("transcribe") == []
    now = 105.0
    assert len(broker.take("transcribe")) == 1
