"""Poison among the events, before a real gateway with its telemetry on."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pika
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from integration.gateway.otlp import Receiver
from unit.services.gateway.waiting import until
from voxtrace_services.core.broker import Outgoing
from voxtrace_services.core.messages import JobEvent
from voxtrace_services.core.rabbitmq import RabbitMQBroker
from voxtrace_services.core.retries import RetryPolicy
from voxtrace_services.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.gateway.conftest import Gateway


def test_poison_is_an_error_span(gateways: Callable[..., Gateway], amqp_url: str) -> None:
    """Each poisoned event is dead and an ERROR span, both with its reason; the good one ends its job."""
    with Receiver() as receiver:
        gateway = gateways(amqp_url, OTEL_TRACES_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
        upload_id = str(gateway.send().json()["id"])
        good = JobEvent(job_id=upload_id, outcome="completed", stage="synthesis").outgoing("events").body
        bodies = {
            "not_json": b"\x00 what was said",
            "unknown_version": good.replace(b'"version":1', b'"version":99'),
            "invalid_message": good.replace(b"completed", b"what was said"),
            "unknown_job": good.replace(upload_id.encode(), b"stranger"),
            "good": good,
        }
        with closing(RabbitMQBroker(amqp_url, policy=RetryPolicy(Settings().retry_delays))) as worker:
            for name, body in bodies.items():
                worker.publish(Outgoing(routing_key="events", body=body, message_id=name))
        until(lambda: gateway.state(upload_id) == "completed")
        assert gateway.get("/health").json()["status"] == "ok"
        gateway.process.stop()
    poison = bodies.keys() - {"good"}
    assert dead(amqp_url, len(poison)) == {reason: (reason, bodies[reason]) for reason in poison}
    processed = [span for span in receiver.spans if span.name == "process speech:events"]
    assert {
        text(span, "messaging.message.id"): (span.kind, span.status.code, text(span, "error.type"))
        for span in processed
    } == {
        **{reason: (Span.SPAN_KIND_CONSUMER, Status.STATUS_CODE_ERROR, reason) for reason in poison},
        "good": (Span.SPAN_KIND_CONSUMER, Status.STATUS_CODE_UNSET, None),
    }
    assert len(processed) == len(bodies)
    assert "what was said" not in str(receiver.spans) + gateway.log.read_text()


def dead(amqp_url: str, number: int) -> dict[str, tuple[str, bytes]]:
    """Take so many dead letters: reason and body of each, by message id."""
    taken: dict[str, tuple[str, bytes]] = {}
    with closing(pika.BlockingConnection(pika.URLParameters(amqp_url))) as connection:
        channel = connection.channel()

        def take() -> bool:
            while (got := channel.basic_get("speech.dead", auto_ack=True))[0] is not None:
                taken[got[1].message_id] = (got[1].headers["x-reason"], got[2])
            return len(taken) >= number

        until(take)
    return taken


def text(span: Span, key: str) -> str | None:
    """An attribute's text."""
    return next((each.value.string_value for each in span.attributes if each.key == key), None)
