"""Pika is replaced once, and put back as it was."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.channel import Channel

from voxtrace.messaging import PikaInstrumentor

if TYPE_CHECKING:
    from unit.otel.messaging.conftest import Seen, Wire

MODULES = [
    import_module(f"pika.{name}")
    for name in (
        "channel",
        "connection",
        "adapters.asyncio_connection",
        "adapters.blocking_connection",
        "adapters.select_connection",
    )
]


def methods() -> dict[tuple[type, str], Any]:
    """Everything that pika's classes hold, as it is now."""
    return {
        (owner, name): value
        for module in MODULES
        for owner in vars(module).values()
        if isinstance(owner, type) and owner.__module__.startswith("pika.")
        for name, value in vars(owner).items()
        # Python's own note, made when an object is copied.
        if name != "__slotnames__"
    }


ORIGINAL = methods()
REPLACED = {
    ("BlockingChannel", "basic_publish"),
    ("BlockingChannel", "basic_consume"),
    ("BlockingChannel", "basic_get"),
    ("BlockingChannel", "basic_ack"),
    ("BlockingChannel", "basic_nack"),
    ("BlockingChannel", "basic_reject"),
    ("BlockingChannel", "consume"),
    ("BlockingChannel", "cancel"),
    ("Channel", "basic_publish"),
    ("Channel", "confirm_delivery"),
    ("Channel", "basic_consume"),
    ("Channel", "basic_get"),
    ("Channel", "basic_ack"),
    ("Channel", "basic_nack"),
    ("Channel", "basic_reject"),
    ("Channel", "basic_recover"),
    ("BlockingConnection", "add_callback_threadsafe"),
    ("IOLoop", "add_callback_threadsafe"),
}


def changed() -> set[tuple[str, str]]:
    """The methods that are not the very ones that were there."""
    now = methods()
    return {
        (owner.__name__, name)
        for (owner, name), value in now.items()
        if value is not ORIGINAL.get((owner, name))
    }


def run(code: str) -> str:
    """The output of a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_uninstrumenting_puts_the_same_methods_back() -> None:
    """After uninstrument() every method is the very one that was there."""
    instrumentor = PikaInstrumentor()
    instrumentor.instrument()
    replaced = changed()
    instrumentor.uninstrument()
    assert (replaced, changed()) == (REPLACED, set())
    assert methods().keys() == ORIGINAL.keys()


def test_a_second_instrument_changes_nothing(instrumented: PikaInstrumentor, wire: Wire, seen: Seen) -> None:
    """Instrumenting twice still makes one span per publish."""
    before = methods()
    PikaInstrumentor().instrument(skip_dep_check=True, raise_exception_on_conflict=True)
    assert methods() == before
    wire.blocking.basic_publish("", "q", b"")
    assert len(seen.spans()) == 1


def test_there_is_one_instrumentor() -> None:
    """Whoever asks gets the same instrumentor, and may turn it off twice."""
    assert PikaInstrumentor() is PikaInstrumentor()
    PikaInstrumentor().uninstrument()
    PikaInstrumentor().uninstrument()
    assert PikaInstrumentor().is_instrumented_by_opentelemetry is False


@pytest.mark.parametrize("broken", ["_patches", "reception", "ledger", "confirms"])
def test_a_step_that_fails_leaves_none_undone(
    instrumented: PikaInstrumentor, monkeypatch: pytest.MonkeyPatch, wire: Wire, seen: Seen, broken: str
) -> None:
    """Whatever cannot be put back, the rest is, and pika can be traced anew."""
    instrumentation = instrumented._instrumentation
    wire.channel.confirm_delivery(lambda _: None)
    wire.blocking.basic_consume("q", lambda *_: None, consumer_tag="consumer")
    wire.deliver()
    wire.channel.basic_publish("", "q", b"")

    def fail() -> None:
        raise RuntimeError

    if broken == "_patches":
        monkeypatch.setattr(instrumentation._patches[0], "revert", fail)
    else:
        monkeypatch.setattr(getattr(instrumentation, broken), "abandon", fail)
    instrumented.uninstrument()
    assert instrumented.is_instrumented_by_opentelemetry is False
    left = {("BlockingChannel", "basic_publish")} if broken == "_patches" else set()
    assert (changed(), instrumentation.telemetry.enabled) == (left, False)
    ended = [span["name"] for span in seen.spans()]
    assert len(ended) == (1 if broken in {"ledger", "confirms"} else 2), ended
    monkeypatch.undo()
    BlockingChannel.basic_publish = ORIGINAL[BlockingChannel, "basic_publish"]
    instrumentation.ledger.abandon()
    instrumentation.confirms.abandon()


def test_it_can_be_turned_on_again(wire: Wire, seen: Seen, instrumented: PikaInstrumentor) -> None:
    """Off and on again, it traces to where it is told."""
    instrumented.uninstrument()
    wire.blocking.basic_publish("", "q", b"")
    assert seen.spans() == []
    assert instrumented.is_instrumented_by_opentelemetry is False
    instrumented.instrument()
    assert instrumented.is_instrumented_by_opentelemetry is True


def test_another_wrapper_on_top_is_left_in_place(
    instrumented: PikaInstrumentor, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wrapped our wrapper keeps theirs; ours makes no spans any more."""
    ours = Channel.basic_ack

    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    monkeypatch.setattr(Channel, "basic_ack", theirs)
    instrumented.uninstrument()
    assert Channel.__dict__["basic_ack"] is theirs
    monkeypatch.undo()
    Channel.basic_ack = ORIGINAL[Channel, "basic_ack"]


def test_the_signatures_stay_pikas(instrumented: PikaInstrumentor) -> None:
    """Help and introspection show pika's methods, not ours."""
    assert BlockingChannel.basic_publish.__wrapped__ is ORIGINAL[BlockingChannel, "basic_publish"]
    assert BlockingChannel.basic_publish.__doc__ == ORIGINAL[BlockingChannel, "basic_publish"].__doc__


def test_a_strange_pika_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a method is missing, nothing is replaced and nothing raised."""
    monkeypatch.delattr(BlockingConnection, "add_callback_threadsafe")
    PikaInstrumentor().instrument()
    assert PikaInstrumentor().is_instrumented_by_opentelemetry is False
    assert Channel.__dict__["basic_ack"] is ORIGINAL[Channel, "basic_ack"]


def test_without_pika_nothing_happens() -> None:
    """Where pika is not installed, instrumenting is silent."""
    code = (
        "import sys; sys.modules['pika'] = None\n"
        "from voxtrace.messaging import PikaInstrumentor\n"
        "PikaInstrumentor().instrument(); print(PikaInstrumentor().is_instrumented_by_opentelemetry)"
    )
    assert run(code) == "False\n"


def test_the_api_and_pika_are_all_it_needs() -> None:
    """Instrumenting loads neither the SDK nor the contrib packages, and importing loads no pika."""
    code = (
        "import sys\n"
        "absent = 'opentelemetry.sdk', 'opentelemetry.instrumentation', 'wrapt'\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from voxtrace.messaging import PikaInstrumentor\n"
        "print('pika' in sys.modules)\n"
        "PikaInstrumentor().instrument()\n"
        "print(PikaInstrumentor().is_instrumented_by_opentelemetry)"
    )
    assert run(code) == "False\nTrue\n"


def test_the_entry_point_names_it() -> None:
    """`opentelemetry-instrument` finds the instrumentor by its entry point."""
    (entry_point,) = entry_points(group="opentelemetry_instrumentor", name="voxtrace_pika")
    assert entry_point.load() is PikaInstrumentor
    assert PikaInstrumentor().instrumentation_dependencies() == ("pika >= 1.4.4, < 2",)


def test_a_subclass_of_properties_stays_one(wire: Wire) -> None:
    """An application's own kind of properties arrives as that kind."""

    class Typed(pika.BasicProperties):
        """Theirs."""

    wire.blocking.basic_publish("", "q", b"", Typed(type="job"))
    assert (type(wire.published[0]), wire.published[0].type) == (Typed, "job")
