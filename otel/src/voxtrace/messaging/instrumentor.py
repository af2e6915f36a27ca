"""What is replaced in pika, and how it is put back."""

import functools
import threading
from collections.abc import Callable, Collection, Mapping
from importlib.util import find_spec
from typing import Any, ClassVar, Self, Unpack

from opentelemetry import context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from voxtrace._guard import guarded
from voxtrace.messaging import names, publication
from voxtrace.messaging.configuration import Declaration, Options, resolve
from voxtrace.messaging.consumer import Consumer
from voxtrace.messaging.ledger import Ledger
from voxtrace.messaging.telemetry import Telemetry, build

Method = Callable[..., Any]


class PikaInstrumentor:
    """
    Traces every pika channel of the process; there is one instrumentor, and its methods may be called again.

    It has the shape of OpenTelemetry's `BaseInstrumentor`, which it does not inherit: that would tie it to
    one exact release of the contrib packages.
    """

    configuration: ClassVar[type[Declaration]] = Declaration
    """What reads our options in OTEL_CONFIG_FILE; opentelemetry-configuration asks for it by this name."""

    _instance: Self | None = None
    _lock = threading.Lock()
    _patches: "list[_Patch]"
    _telemetry: Telemetry | None
    _ledger: Ledger

    def __new__(cls) -> Self:
        """The one instrumentor."""
        with cls._lock:
            if cls._instance is None:
                instance = super().__new__(cls)
                instance._patches, instance._telemetry, instance._ledger = [], None, Ledger()
                cls._instance = instance
            return cls._instance

    @property
    def is_instrumented_by_opentelemetry(self) -> bool:
        """True while pika is traced."""
        return self._telemetry is not None

    def instrumentation_dependencies(self) -> Collection[str]:
        """The pika releases this was tried with."""
        return ("pika >= 1.4.4, < 2",)

    def instrument(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        declared: Mapping[str, object] | None = None,
        skip_dep_check: bool = False,  # noqa: ARG002 - loaders pass this and the next to every instrumentor
        raise_exception_on_conflict: bool = False,  # noqa: ARG002 - as above
        **options: Unpack[Options],
    ) -> None:
        """
        Starts tracing; does nothing where pika is absent or traced already.

        `declared` is what a configuration file says; `options` win over the environment and the file.

        Raises:
            TypeError: There is no such option.
        """
        configuration = resolve(options, declared)
        with self._lock:
            if self._telemetry is not None or find_spec("pika") is None:
                return
            telemetry, ledger = build(tracer_provider, meter_provider, configuration), Ledger()
            with guarded("replace the methods of pika"):
                patches = _patches(telemetry, ledger)
                for patch in patches:
                    patch.apply()
                self._patches, self._telemetry, self._ledger = patches, telemetry, ledger

    def uninstrument(self, **_options: object) -> None:
        """Puts pika back and ends the spans still open; existing consumers go on untraced."""
        with self._lock:
            if self._telemetry is None:
                return
            for patch in self._patches:
                patch.revert()
            self._telemetry.enabled = False
            self._ledger.abandon()
            self._patches, self._telemetry = [], None


def _patches(telemetry: Telemetry, ledger: Ledger) -> "list[_Patch]":
    from pika.adapters import blocking_connection as blocking  # noqa: PLC0415 - pika may be absent
    from pika.channel import Channel  # noqa: PLC0415 - pika may be absent

    consuming = _consuming(telemetry, ledger, blocking.BlockingChannel)
    return [
        # A BlockingChannel publishes through a Channel: the outer span covers the confirm and stands alone.
        _Patch(blocking.BlockingChannel, "basic_publish", _publishing(telemetry)),
        _Patch(Channel, "basic_publish", _publishing(telemetry)),
        _Patch(blocking.BlockingChannel, "basic_consume", consuming),
        _Patch(Channel, "basic_consume", consuming),
        # Every settlement of every adapter passes here.
        _Patch(Channel, "basic_ack", _acknowledging(ledger)),
        _Patch(Channel, "basic_nack", _negatively_acknowledging(ledger)),
        _Patch(Channel, "basic_reject", _rejecting(ledger)),
        _Patch(blocking.BlockingConnection, "add_callback_threadsafe", _carrying_context),
    ]


class _Patch:
    """One method of one class, replaced by a wrapper."""

    def __init__(self, owner: type, name: str, wrap: Callable[[Method], Method]) -> None:
        self._owner, self._name = owner, name
        self._original: Method = owner.__dict__[name]
        self._replacement = functools.wraps(self._original)(wrap(self._original))

    def apply(self) -> None:
        """Puts the wrapper in place."""
        setattr(self._owner, self._name, self._replacement)

    def revert(self) -> None:
        """Puts the original back, unless someone wrapped our wrapper: it passes calls on untouched then."""
        if self._owner.__dict__[self._name] is self._replacement:
            setattr(self._owner, self._name, self._original)


def _publishing(telemetry: Telemetry) -> Callable[[Method], Method]:
    def wrap(original: Method) -> Method:
        def basic_publish(
            channel: Any,
            exchange: Any,
            routing_key: Any,
            body: Any,
            properties: Any = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            begun = publication.begin(telemetry, channel, exchange, routing_key, properties)
            if begun is None:
                return original(channel, exchange, routing_key, body, properties, *args, **kwargs)
            token = context.attach(begun.context)
            try:
                result = original(channel, exchange, routing_key, body, begun.properties, *args, **kwargs)
            except BaseException as error:
                begun.finish(error)
                raise
            else:
                begun.finish(None)
                return result
            finally:
                context.detach(token)

        return basic_publish

    return wrap


def _consuming(telemetry: Telemetry, ledger: Ledger, blocking_channel: type) -> Callable[[Method], Method]:
    def wrap(original: Method) -> Method:
        def basic_consume(
            channel: Any,
            queue: Any,
            on_message_callback: Any,
            auto_ack: bool = False,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            # A BlockingChannel consumes by handing its channel a method of its own: that one is no user code.
            internal = isinstance(getattr(on_message_callback, "__self__", None), blocking_channel)
            if callable(on_message_callback) and not internal:
                consumer = Consumer(
                    telemetry=telemetry,
                    ledger=ledger,
                    queue=queue if isinstance(queue, str) else "",
                    auto_ack=bool(auto_ack),
                )
                on_message_callback = consumer.traced(on_message_callback)
            return original(channel, queue, on_message_callback, auto_ack, *args, **kwargs)

        return basic_consume

    return wrap


def _acknowledging(ledger: Ledger) -> Callable[[Method], Method]:
    def wrap(original: Method) -> Method:
        def basic_ack(channel: Any, delivery_tag: Any = 0, multiple: Any = False) -> Any:
            result = original(channel, delivery_tag, multiple)
            ledger.settle(channel, delivery_tag, names.ACK, multiple=multiple)
            return result

        return basic_ack

    return wrap


def _negatively_acknowledging(ledger: Ledger) -> Callable[[Method], Method]:
    def wrap(original: Method) -> Method:
        def basic_nack(
            channel: Any, delivery_tag: Any = 0, multiple: Any = False, requeue: Any = True
        ) -> Any:
            result = original(channel, delivery_tag, multiple, requeue)
            if requeue:
                # "Not now": the message is none the worse, as RabbitMQ 4.3 counts it too.
                ledger.settle(channel, delivery_tag, names.REQUEUE, multiple=multiple)
            else:
                ledger.settle(
                    channel, delivery_tag, names.NACK, multiple=multiple, error_type=names.ERROR_REJECTED
                )
            return result

        return basic_nack

    return wrap


def _rejecting(ledger: Ledger) -> Callable[[Method], Method]:
    def wrap(original: Method) -> Method:
        def basic_reject(channel: Any, delivery_tag: Any = 0, requeue: Any = True) -> Any:
            result = original(channel, delivery_tag, requeue)
            settlement = names.REQUEUE if requeue else names.REJECT
            ledger.settle(channel, delivery_tag, settlement, error_type=names.ERROR_REJECTED)
            return result

        return basic_reject

    return wrap


def _carrying_context(original: Method) -> Method:
    def add_callback_threadsafe(connection: Any, callback: Any) -> Any:
        if not callable(callback):
            return original(connection, callback)
        caller = context.get_current()

        @functools.wraps(callback, updated=())
        def in_caller_context() -> Any:
            token = context.attach(caller)
            try:
                return callback()
            finally:
                context.detach(token)

        return original(connection, in_caller_context)

    return add_callback_threadsafe
