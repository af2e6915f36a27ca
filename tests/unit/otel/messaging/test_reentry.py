"""A signal, the collector or a flush comes in while our lines hold a lock: nothing waits for ever."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from pika.spec import Basic

from unit.otel.messaging.conftest import Wire as AWire
from voxtrace.testing import InMemoryBroker

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.otel.messaging.conftest import Seen, Wire
    from voxtrace.messaging import PikaInstrumentor

PATIENCE = 10.0
OURS = "/voxtrace/messaging/"
SDKS = "/opentelemetry/sdk/trace/"


class Interruption:
    """Something that comes in once, before a line of ours, or of the SDK where it writes to a span."""

    def __init__(self, line: int, action: Callable[[], object]) -> None:
        self._left = line
        self._action = action
        self.came = False

    def __enter__(self) -> None:
        """Counts lines from here on."""
        sys.settrace(self._entered)

    def __exit__(self, *_: object) -> None:
        """Counts no more."""
        sys.settrace(None)

    def _entered(self, frame: Any, _event: str, _argument: object) -> Any:
        code = frame.f_code
        writing = SDKS in code.co_filename and code.co_name in {"set_attribute", "set_attributes"}
        return self._line if OURS in code.co_filename or writing else None

    def _line(self, _frame: Any, event: str, _argument: object) -> Any:
        if event == "line" and not self.came:
            self._left -= 1
            if self._left < 0:
                self.came = True
                self._action()
        return self._line


def in_time(work: Callable[[], object]) -> None:
    """Do it in a thread that need not come back."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - it is raised again in the test's thread
            failures.append(failure)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "it waits for itself"
    for failure in failures:
        raise failure


def at_every_line(scenario: Callable[[int], Interruption]) -> None:
    """Play a scenario with the interruption before its first line, its second, and so on to the last."""
    line = 0
    while scenario(line).came:
        line += 1
    assert line > 20, "hardly any line was interrupted"


def outcomes(seen: Seen) -> dict[int, str]:
    """Per delivery tag what became of the message."""
    spans = [span["attributes"] for span in seen.spans() if span["kind"] == "CONSUMER"]
    found = {
        span["messaging.rabbitmq.message.delivery_tag"]: span["voxtrace.messaging.settlement"]
        for span in spans
    }
    assert len(found) == len(spans), "a span came twice"
    return found


@pytest.mark.parametrize(("tag", "multiple"), [(3, False), (0, True)])
def test_a_signals_handler_may_settle_and_publish(
    instrumented: PikaInstrumentor, seen: Seen, tag: int, multiple: bool
) -> None:
    """Wherever it comes into an ack, every message is settled once, and every publish counted."""
    rounds = 0

    def play(line: int) -> Interruption:
        nonlocal rounds
        rounds += 1
        wire = AWire()
        wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
        for number in (1, 2, 3):
            wire.deliver(delivery_tag=number)

        def handle() -> None:
            wire.blocking.basic_nack(tag, multiple=multiple)
            wire.blocking.basic_publish("", "q", b"")

        interruption = Interruption(line, handle)
        seen.exporter.clear()
        with interruption:
            wire.blocking.basic_ack(2, multiple=True)
            wire.blocking.basic_publish("", "q", b"")
        if not interruption.came:
            handle()
        found = outcomes(seen)
        assert found.keys() == {1, 2, 3}, line
        assert found[3] == "requeue"
        assert found[1] in {"ack", "requeue"}
        assert instrumented._instrumentation.ledger.deliveries() == []
        ((_, sent),) = seen.metrics()["messaging.client.sent.messages"]
        assert sent == 2 * rounds, line
        return interruption

    in_time(lambda: at_every_line(play))


def test_an_abandoned_loop_may_be_collected_during_its_ack(
    instrumented: PikaInstrumentor, seen: Seen
) -> None:
    """The collector closes a generator while its message is being settled: the span has it, and ends once."""

    def play(line: int) -> Interruption:
        channel = InMemoryBroker().channel()
        channel.queue_declare("transcribe")
        channel.basic_publish("", "transcribe", b"body")
        messages = channel.consume("transcribe")
        method, _, _ = next(messages)
        interruption = Interruption(line, messages.close)
        seen.exporter.clear()
        with interruption:
            channel.basic_ack(method.delivery_tag)
        messages.close()
        assert outcomes(seen) == {method.delivery_tag: "ack"}, line
        channel.connection.close()
        return interruption

    in_time(lambda: at_every_line(play))


@pytest.mark.parametrize("ending", ["answered", "abandoned"])
def test_publishes_and_confirms_may_come_while_others_end(
    instrumented: PikaInstrumentor, seen: Seen, ending: str
) -> None:
    """Wherever they come into the end of all that is unanswered, each publish ends once."""
    confirms = instrumented._instrumentation.confirms

    def play(line: int) -> Interruption:
        wire = AWire()
        wire.channel.confirm_delivery(lambda _: None)
        for _ in range(3):
            wire.channel.basic_publish("", "q", b"")

        def handle() -> None:
            for _ in range(2):
                wire.channel.basic_publish("", "q", b"")
            wire.answer(Basic.Ack(1))

        interruption = Interruption(line, handle)
        seen.exporter.clear()
        with interruption:
            if ending == "answered":
                wire.answer(Basic.Ack(2, multiple=True))
            else:
                confirms.abandon()
        if not interruption.came:
            handle()
        wire.answer(Basic.Ack(0, multiple=True))
        confirms.abandon()
        assert len(seen.spans()) == 5, line
        return interruption

    in_time(lambda: at_every_line(play))


@pytest.mark.parametrize("which", ["ledger", "tally"])
def test_collecting_waits_for_no_lock(
    wire: Wire, seen: Seen, instrumented: PikaInstrumentor, which: str
) -> None:
    """A thread stopped by a signal keeps its lock until the flush that the signal asked for is over."""
    wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
    wire.deliver()
    instrumentation = instrumented._instrumentation
    held = instrumentation.ledger if which == "ledger" else instrumentation.telemetry.consumed
    found: dict[str, Any] = {}
    with held._lock:
        in_time(lambda: found.update(seen.metrics()))
    assert [value for _, value in found["voxtrace.messaging.in_flight"]] == [1]
    assert [value for _, value in found["messaging.client.consumed.messages"]] == [1]
