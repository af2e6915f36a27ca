"""The application's own functions that see messages beside their spans; they harm neither."""

from collections.abc import Callable
from typing import Any

from opentelemetry.trace import Span

from voxtrace._guard import guarded
from voxtrace.messaging.configuration import Hook, ResponseHook

Respond = Callable[["str | BaseException | None"], None]
"""Takes what came of a message: its settlement, the exception, or None."""


def publishing(hook: Hook, span: Span, publish: tuple[Any, Any, Any], properties: Any, body: Any) -> None:
    """Shows a publish of (exchange, routing key, mandatory) to `hook`, as the method that pika will send."""
    if span.is_recording():
        with guarded("run the publish_hook"):
            from pika.spec import Basic  # noqa: PLC0415 - pika may be absent; whoever publishes has it

            exchange, routing_key, mandatory = publish
            hook(
                span,
                Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory),
                properties,
                body,
            )


def processing(hook: Hook, span: Span, method: Any, properties: Any, body: Any) -> None:
    """Shows a message that is about to be processed to `hook`."""
    if span.is_recording():
        with guarded("run the process_hook"):
            hook(span, method, properties, body)


def responding(hook: ResponseHook, span: Span, method: Any, properties: Any, body: Any) -> Respond:
    """What shows a processed message to `hook`, before its span ends."""

    def respond(outcome: "str | BaseException | None") -> None:
        if span.is_recording():
            with guarded("run the response_hook"):
                hook(span, method, properties, body, outcome)

    return respond
