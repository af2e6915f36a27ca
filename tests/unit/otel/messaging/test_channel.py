"""One channel can be traced by itself, and is put back as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from pika.adapters.blocking_connection import BlockingChannel
from pika.channel import Channel

from unit.otel.messaging.conftest import Wire
from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from unit.otel.messaging.conftest import Clock, Seen

PUBLISH = "publish speech:transcribe"
PROCESS = "process speech:transcribe"


@pytest.fixture
def providers(clock: Clock, provider: TracerProvider) -> dict[str, Any]:
    """Where the channel's telemetry goes."""
    return {
        "tracer_provider": provider,
        "meter_provider": MeterProvider(shutdown_on_exit=False),
    }


def use(wire: Wire) -> None:
    """Publish a message, and receive and acknowledge one."""
    wire.blocking.basic_publish("speech", "transcribe", b"body")
    wire.blocking.basic_consume(
        "transcribe",
        lambda channel, method, *_: channel.basic_ack(method.delivery_tag),
        consumer_tag="consumer",
    )
    wire.deliver()


def test_one_channel_is_traced(providers: dict[str, Any], seen: Seen) -> None:
    """A channel given to the instrumentor is traced, and its neighbour is not."""
    traced, other = Wire(), Wire()
    PikaInstrumentor.instrument_channel(traced.blocking, **providers)
    use(traced)
    use(other)
    spans = [(span["name"], span["attributes"].get("voxtrace.messaging.settlement")) for span in seen.spans()]
    assert spans == [(PUBLISH, None), (PROCESS, "ack")]
    assert other.published[0].headers is None


def test_a_callback_channel_is_traced(providers: dict[str, Any], seen: Seen) -> None:
    """The channel of a SelectConnection can be given as well."""
    wire = Wire()
    PikaInstrumentor.instrument_channel(wire.channel, **providers)
    wire.channel.basic_publish("speech", "transcribe", b"body")
    wire.channel.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer", auto_ack=True)
    wire.deliver()
    assert [span["name"] for span in seen.spans()] == [PUBLISH, PROCESS]


def test_a_channel_is_put_back(providers: dict[str, Any], seen: Seen) -> None:
    """Afterwards the channel holds nothing of ours: its methods are its class's own."""
    wire = Wire()
    before = dict(vars(wire.blocking)), dict(vars(wire.channel))
    PikaInstrumentor.instrument_channel(wire.blocking, **providers)
    assert wire.blocking.basic_publish.__func__ is not BlockingChannel.basic_publish
    PikaInstrumentor.uninstrument_channel(wire.blocking)
    assert (vars(wire.blocking), vars(wire.channel)) == before
    assert wire.blocking.basic_publish.__func__ is BlockingChannel.basic_publish
    assert wire.channel.basic_ack.__func__ is Channel.basic_ack
    use(wire)
    assert seen.spans() == []


def test_putting_a_channel_back_leaves_no_span_open(providers: dict[str, Any], seen: Seen) -> None:
    """The span of an unsettled message ends with the channel's tracing; its consumer goes on without."""
    wire = Wire()
    runs: list[int] = []
    PikaInstrumentor.instrument_channel(wire.blocking, **providers)
    wire.blocking.basic_consume("transcribe", lambda *_: runs.append(1), consumer_tag="consumer")
    wire.deliver(delivery_tag=1)
    PikaInstrumentor.uninstrument_channel(wire.blocking)
    wire.deliver(delivery_tag=2)
    assert ([span["name"] for span in seen.spans()], runs) == ([PROCESS], [1, 1])


@pytest.mark.parametrize("channel_first", [True, False])
def test_nothing_is_traced_twice(providers: dict[str, Any], seen: Seen, channel_first: bool) -> None:
    """A channel traced by itself and with all of pika makes one span each."""
    wire = Wire()
    if channel_first:
        PikaInstrumentor.instrument_channel(wire.blocking, **providers)
    PikaInstrumentor().instrument(**providers)
    try:
        for _ in range(2):
            PikaInstrumentor.instrument_channel(wire.blocking, **providers)
        use(wire)
        assert [span["name"] for span in seen.spans()] == [PUBLISH, PROCESS]
        PikaInstrumentor.uninstrument_channel(wire.blocking)
        use(Wire())
        assert [span["name"] for span in seen.spans()] == [PUBLISH, PROCESS] * 2
    finally:
        PikaInstrumentor().uninstrument()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("settle", "settlement"),
    [
        (lambda channel: channel.basic_ack(7), "ack"),
        (lambda channel: channel.basic_ack(0, multiple=True), "ack"),
        (lambda channel: channel.basic_nack(7, requeue=False), "nack"),
        (lambda channel: channel.basic_reject(7), "requeue"),
    ],
)
def test_a_channel_that_has_consumers_settles_their_messages(
    providers: dict[str, Any], seen: Seen, settle: Any, settlement: str, late: bool
) -> None:
    """Given to the instrumentor while all of pika is traced, it settles what came and comes to them."""
    wire, instrumentor = Wire(), PikaInstrumentor()
    instrumentor.instrument(**providers)
    try:
        wire.blocking.basic_consume("transcribe", lambda *_: None, consumer_tag="consumer")
        if late:
            wire.deliver(delivery_tag=7)
        PikaInstrumentor.instrument_channel(wire.blocking, **providers)
        if not late:
            wire.deliver(delivery_tag=7)
        settle(wire.blocking)
        (span,) = [span for span in seen.spans() if span["name"] == PROCESS]
        assert span["attributes"]["voxtrace.messaging.settlement"] == settlement
        assert instrumentor._instrumentation.ledger.deliveries() == []
    finally:
        instrumentor.uninstrument()


def test_an_object_of_the_users_own_is_traced(providers: dict[str, Any], seen: Seen) -> None:
    """Anything with a channel's methods can be traced, also where it has them as plain attributes."""

    class Double:
        """A test's channel."""

        def __init__(self) -> None:
            self.settled: list[int] = []
            self.basic_ack = self._ack

        def _ack(self, delivery_tag: int = 0, _multiple: bool = False) -> None:
            self.settled.append(delivery_tag)

        def basic_nack(self, *_args: object) -> None:
            """Put back."""

        def basic_reject(self, *_args: object) -> None:
            """Refuse."""

        def basic_publish(self, _exchange: str, _key: str, _body: bytes, properties: Any = None) -> Any:
            """Answer what was sent."""
            return properties

        def basic_consume(self, _queue: str, on_message_callback: Any, _auto_ack: bool = False) -> Any:
            """Answer what would be called."""
            return on_message_callback

    double = Double()
    before = dict(vars(double))
    PikaInstrumentor.instrument_channel(double, **providers)
    assert "traceparent" in double.basic_publish("speech", "transcribe", b"").headers
    double.basic_ack(7)
    assert double.settled == [7]
    PikaInstrumentor.uninstrument_channel(double)
    assert vars(double) == before


def test_an_object_is_called_as_it_was(providers: dict[str, Any], seen: Seen) -> None:
    """Whatever is given by name is passed on by name, by position by position, and nothing besides."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    class Strict:
        """A test's channel, which takes less than pika's and is particular about it."""

        def basic_ack(self, delivery_tag: int) -> None:
            calls.append(("ack", (delivery_tag,), {}))

        def basic_nack(self, *args: Any, **kwargs: Any) -> None:
            calls.append(("nack", args, kwargs))

        def basic_reject(self, *, delivery_tag: int) -> None:
            calls.append(("reject", (), {"delivery_tag": delivery_tag}))

        def basic_publish(self, *, exchange: str, routing_key: str, body: bytes, properties: Any) -> None:
            calls.append(("publish", (), {"exchange": exchange, "routing_key": routing_key, "body": body}))
            assert "traceparent" in properties.headers

        def basic_consume(self, *, on_message_callback: Any, queue: str) -> Any:
            calls.append(("consume", (), {"queue": queue}))
            return on_message_callback

        def basic_get(self, *, queue: str) -> tuple[None, None, None]:
            calls.append(("get", (), {"queue": queue}))
            return None, None, None

        def consume(self, *, queue: str) -> Any:
            calls.append(("loop", (), {"queue": queue}))
            yield from ()

    strict = Strict()
    PikaInstrumentor.instrument_channel(strict, **providers)
    strict.basic_ack(1)
    strict.basic_ack(delivery_tag=2)
    strict.basic_nack(3, requeue=False)
    strict.basic_nack(multiple=True)
    strict.basic_reject(delivery_tag=4)
    strict.basic_publish(exchange="speech", routing_key="transcribe", body=b"body")
    assert callable(strict.basic_consume(queue="q", on_message_callback=lambda *_: None))
    strict.basic_get(queue="q")
    assert list(strict.consume(queue="q")) == []
    assert calls == [
        ("ack", (1,), {}),
        ("ack", (2,), {}),
        ("nack", (3,), {"requeue": False}),
        ("nack", (), {"multiple": True}),
        ("reject", (), {"delivery_tag": 4}),
        ("publish", (), {"exchange": "speech", "routing_key": "transcribe", "body": b"body"}),
        ("consume", (), {"queue": "q"}),
        ("get", (), {"queue": "q"}),
        ("loop", (), {"queue": "q"}),
    ]
    assert [span["name"] for span in seen.spans()] == [PUBLISH]


def test_what_cannot_be_traced_is_left_alone(providers: dict[str, Any]) -> None:
    """An object that is no channel stays as it is, and nothing is raised."""
    thing = object()
    PikaInstrumentor.instrument_channel(thing, **providers)
    PikaInstrumentor.uninstrument_channel(thing)
    with pytest.raises(TypeError, match="no option"):
        PikaInstrumentor.instrument_channel(thing, colour="red")


def test_options_are_the_channels_own(providers: dict[str, Any]) -> None:
    """What is chosen for one channel holds for that one."""
    wire = Wire()
    PikaInstrumentor.instrument_channel(wire.blocking, correlation="link", **providers)
    assert vars(wire.blocking)["_voxtrace_messaging"].telemetry.configuration.correlation == "link"
