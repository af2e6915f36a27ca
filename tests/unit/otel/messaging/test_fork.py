"""A forked child tells nothing of its parent, and waits for no thread that is not there."""

from __future__ import annotations

import os
import select
import signal
import threading
from typing import TYPE_CHECKING, Any

import pika
import pytest
from opentelemetry.trace import SpanContext

from unit.otel.messaging.conftest import CREATION
from unit.otel.messaging.conftest import Wire as AWire

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.otel.messaging.conftest import Seen, Wire
    from voxtrace.messaging import PikaInstrumentor

PATIENCE = 10.0

# Python 3.12 says that it is dangerous; that it is done all the same is why these tests are here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def in_child(work: Callable[[], object]) -> str:
    """What `work` answers in a forked child; nothing if it does not come back."""
    mine, childs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(childs, repr(work()).encode())
        finally:
            os._exit(0)
    os.close(childs)
    try:
        ready, _, _ = select.select([mine], [], [], PATIENCE)
        return os.read(mine, 65_536).decode() if ready else ""
    finally:
        os.close(mine)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def use(wire: Wire) -> None:
    """Publish a message, and take one that stays unsettled."""
    wire.blocking.basic_publish("", "q", b"")
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    wire.deliver(pika.BasicProperties(headers={"traceparent": CREATION}))


COUNTED = (
    "messaging.client.sent.messages",
    "messaging.client.consumed.messages",
    "voxtrace.messaging.in_flight",
)


def counts(seen: Seen) -> dict[str, Any]:
    """What is counted so far."""
    return {name: points[0][1] for name, points in seen.metrics().items() if name in COUNTED}


def test_a_child_counts_its_own_messages(wire: Wire, seen: Seen, instrumented: PikaInstrumentor) -> None:
    """What was sent, taken and is in flight when it was forked is the parent's to report, and stays there."""
    # Held: a channel that nobody holds is collected, with what is in flight on it.
    other, childs = AWire(), AWire()
    use(wire)
    use(other)
    before = counts(seen)
    assert before == dict.fromkeys(COUNTED, 2)

    def child() -> object:
        inherited = counts(seen)
        use(childs)
        return inherited, counts(seen)

    assert in_child(child) == repr(({}, dict.fromkeys(COUNTED, 1)))
    assert counts(seen) == before


@pytest.mark.parametrize("held", ["sent", "ledger", "confirms", "memory", "selection", "instrumentor"])
def test_a_child_waits_for_no_lock_of_a_thread_left_behind(
    wire: Wire, instrumented: PikaInstrumentor, held: str
) -> None:
    """A lock that another thread has at the fork is nobody's in the child."""
    instrumentation = instrumented._instrumentation
    telemetry = instrumentation.telemetry
    owners: dict[str, Any] = {
        "sent": telemetry.sent,
        "ledger": instrumentation.ledger,
        "confirms": instrumentation.confirms,
        "memory": telemetry.memory,
        "selection": telemetry.selection,
        "instrumentor": instrumented,
    }
    lock = owners[held]._lock
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            over.wait(2 * PATIENCE)

    def child() -> object:
        wire = AWire()
        wire.channel.confirm_delivery(lambda _: None)
        use(wire)
        wire.blocking.basic_reject(1)
        telemetry.selection.note_stranger(SpanContext(9, 8, is_remote=True))
        instrumented.uninstrument()
        return "through"

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert taken.wait(PATIENCE)
        assert in_child(child) == repr("through")
    finally:
        over.set()
        thread.join()
