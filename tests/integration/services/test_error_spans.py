"""What a poisoned message leaves in the traces of a real worker."""

from __future__ import annotations

import signal

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from integration.gateway.otlp import Receiver
from integration.services.workers import Site, until
from voxtrace_services.core.broker import Outgoing
from voxtrace_services.core.messages import SynthesizeRequest, TranscribeRequest, TranslateRequest

TRANSCRIPT = b'{"text":"hello","language":"en","language_probability":1,"duration":1,"segments":[]}'
TRANSLATION = b'{"text":"hola","source_language":"en","target_language":"es"}'
GOOD = {
    "asr": TranscribeRequest(job_id="job", audio="job/audio", target_language="es"),
    "translation": TranslateRequest(
        job_id="job", transcript="job/given.json", source_language="en", target_language="es"
    ),
    "synthesis": SynthesizeRequest(job_id="job", translation="job/said.json", language="es"),
}


@pytest.mark.parametrize(
    ("service", "queue", "following", "sent"),
    [
        ("asr", "transcribe", "translate", 1),
        ("translation", "translate", "synthesize", 1),
        # The three failures are events as well.
        ("synthesis", "synthesize", "events", 4),
    ],
)
def test_poison_is_an_error_span(site: Site, service: str, queue: str, following: str, sent: int) -> None:
    """Each poisoned message is a process span with ERROR and its reason; the good one after them is not."""
    good = GOOD[service].outgoing(queue).body
    site.store.write("job/audio", b"sound")
    site.store.write("job/given.json", TRANSCRIPT)
    site.store.write("job/said.json", TRANSLATION)
    bodies = {
        "not_json": b"\x00 what was said",
        "unknown_version": good.replace(b'"version":1', b'"version":99'),
        "artifact_missing": good.replace(b'"job_id":"job"', b'"job_id":"gone"').replace(b"job/", b"gone/"),
        "good": good,
    }
    with Receiver() as receiver:
        site.environment = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            f"VOXTRACE_{service.upper()}_ENGINE": "null",
        }
        worker = site.start(service)
        for name, body in bodies.items():
            site.send(Outgoing(routing_key=queue, body=body, message_id=name, correlation_id="job"))
        until(lambda: site.waiting(following) == sent)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
    processed = [span for span in receiver.spans if span.name == f"process speech:{queue}"]
    assert {
        text(span, "messaging.message.id"): (
            span.kind,
            span.status.code,
            span.status.message,
            text(span, "error.type"),
        )
        for span in processed
    } == {
        **{
            reason: (Span.SPAN_KIND_CONSUMER, Status.STATUS_CODE_ERROR, "", reason)
            for reason in bodies
            if reason != "good"
        },
        "good": (Span.SPAN_KIND_CONSUMER, Status.STATUS_CODE_UNSET, "", None),
    }
    assert len(processed) == len(bodies)
    assert "what was said" not in str(receiver.spans)


def text(span: Span, key: str) -> str | None:
    """An attribute's text."""
    return next((each.value.string_value for each in span.attributes if each.key == key), None)
