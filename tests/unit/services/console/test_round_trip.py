"""What goes in comes out: every field, every attribute type, by protobuf and by JSON."""

import json
from typing import Any

from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ProtoResource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from unit.services.console.conftest import PROTOBUF, Console
from unit.services.console.samples import NOW, SECOND, value
from voxtrace_services.console import otlp, rows
from voxtrace_services.console.query import Query
from voxtrace_services.console.store import Store

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
REMOTE = SpanContext(
    int(TRACE_ID, 16),
    0xB7AD6B7169203331,
    is_remote=True,
    trace_flags=TraceFlags(1),
    trace_state=TraceState([("v", "1")]),
)

#: The span that `sdk_spans` makes, as OTLP/JSON must show it.
DOCUMENT = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "asr"}}]},
            "scopeSpans": [
                {
                    "scope": {
                        "name": "tests",
                        "version": "1.2",
                        "attributes": [{"key": "scope.attribute", "value": {"boolValue": False}}],
                    },
                    "spans": [
                        {
                            "traceId": TRACE_ID,
                            "spanId": "00000000000000aa",
                            "traceState": "v=1",
                            "parentSpanId": "b7ad6b7169203331",
                            "name": "process speech:transcribe",
                            "kind": 5,
                            "startTimeUnixNano": "1767225600000000001",
                            "endTimeUnixNano": "1767225602000000003",
                            "attributes": [
                                {"key": "text", "value": {"stringValue": "größe ☃ \"'\\\u0000"}},
                                {"key": "empty", "value": {"stringValue": ""}},
                                {"key": "yes", "value": {"boolValue": True}},
                                {"key": "no", "value": {"boolValue": False}},
                                {"key": "zero", "value": {"intValue": "0"}},
                                {"key": "large", "value": {"intValue": "-9223372036854775808"}},
                                {"key": "whole", "value": {"doubleValue": 2.0}},
                                {"key": "tiny", "value": {"doubleValue": 5e-324}},
                                {
                                    "key": "texts",
                                    "value": {
                                        "arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}
                                    },
                                },
                                {
                                    "key": "numbers",
                                    "value": {
                                        "arrayValue": {"values": [{"intValue": "1"}, {"intValue": "2"}]}
                                    },
                                },
                                {"key": "nothing", "value": {"arrayValue": {}}},
                                {"key": "raw", "value": {"bytesValue": "AP8="}},
                            ],
                            "events": [
                                {
                                    "timeUnixNano": "1767225601000000000",
                                    "name": "retry",
                                    "attributes": [{"key": "attempt", "value": {"intValue": "2"}}],
                                }
                            ],
                            "links": [
                                {
                                    "traceId": TRACE_ID,
                                    "spanId": "b7ad6b7169203331",
                                    "attributes": [{"key": "why", "value": {"stringValue": "created here"}}],
                                    "flags": 768,
                                }
                            ],
                            "status": {"message": "engine failed", "code": 2},
                            "flags": 768,
                        }
                    ],
                }
            ],
        }
    ]
}


class FixedIds(IdGenerator):
    """One span id, and no trace id: the span has a parent."""

    def generate_span_id(self) -> int:
        """Return the one id."""
        return 0xAA

    def generate_trace_id(self) -> int:
        """Fail: nobody needs one."""
        raise AssertionError


def sdk_spans() -> ExportTraceServiceRequest:
    """Return one span with everything on it, encoded as the SDK's exporter does."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "asr"}), id_generator=FixedIds())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "1.2", attributes={"scope.attribute": False})
    span = tracer.start_span(
        "process speech:transcribe",
        set_span_in_context(NonRecordingSpan(REMOTE)),
        kind=SpanKind.CONSUMER,
        links=[Link(REMOTE, {"why": "created here"})],
        start_time=NOW + 1,
        attributes={
            "text": "größe ☃ \"'\\\0",
            "empty": "",
            "yes": True,
            "no": False,
            "zero": 0,
            "large": -(2**63),
            "whole": 2.0,
            "tiny": 5e-324,
            "texts": ["a", "b"],
            "numbers": [1, 2],
            "nothing": [],
        },
    )
    span.add_event("retry", {"attempt": 2}, timestamp=NOW + SECOND)
    span.set_status(StatusCode.ERROR, "engine failed")
    span.end(NOW + 2 * SECOND + 3)
    request = encode_spans(exporter.get_finished_spans())
    # Bytes are an OTLP type that the SDK takes by another road.
    [group] = request.resource_spans
    group.scope_spans[0].spans[0].attributes.append(KeyValue(key="raw", value=value(b"\x00\xff")))
    return request


async def test_an_sdk_span_comes_back_whole(console: Console) -> None:
    """A span with every kind of attribute, an event, a link and a status reads exactly as it was sent."""
    await console.send("traces", sdk_spans())
    assert await console.get(f"/api/v3/traces/{TRACE_ID}") == {"result": DOCUMENT}


async def test_json_and_protobuf_are_the_same(console: Console) -> None:
    """OTLP/JSON is stored as the same bytes as the protobuf it stands for."""
    answer = await console.http.post("/v1/traces", json=DOCUMENT)
    assert (answer.status_code, answer.json()) == (200, {})
    assert console.writer.flush(10)
    [stored] = console.query.trace(TRACE_ID).resource_spans
    [sent] = sdk_spans().resource_spans
    assert sent == stored
    assert await console.get(f"/api/v3/traces/{TRACE_ID}") == {"result": DOCUMENT}


async def test_fields_of_later_versions_are_passed_over(console: Console) -> None:
    """A JSON field that we do not know does not make a request malformed."""
    document = json.loads(json.dumps(DOCUMENT))
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["profileId"] = "x"
    document["later"] = [1]
    answer = await console.http.post("/v1/traces", json=document)
    assert answer.status_code == 200
    assert console.writer.flush(10)
    assert await console.get(f"/api/v3/traces/{TRACE_ID}") == {"result": DOCUMENT}


async def test_unknown_protobuf_fields_are_kept(console: Console) -> None:
    """A protobuf field of a later version is stored with its span."""
    request = sdk_spans()
    body = request.resource_spans[0].scope_spans[0].spans[0]
    later = body.SerializeToString() + b"\xfa\x7f\x03abc"
    body.ParseFromString(later)
    await console.http.post("/v1/traces", content=request.SerializeToString(), headers=PROTOBUF)
    assert console.writer.flush(10)
    [group] = console.query.trace(TRACE_ID).resource_spans
    assert later == group.scope_spans[0].spans[0].SerializeToString()


texts = st.text(max_size=8)
uint64 = st.integers(0, 2**64 - 1)
uint32 = st.integers(0, 2**32 - 1)
values = st.recursive(
    st.none()
    | texts
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
).map(value)
attributes = st.lists(st.builds(KeyValue, key=texts, value=values), max_size=3)
trace_ids = st.sampled_from([bytes([1] * 16), bytes([2] * 16)])
span_ids = st.binary(min_size=8, max_size=8).filter(any)
spans = st.builds(
    Span,
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=st.just(b"") | span_ids,
    trace_state=texts,
    flags=uint32,
    name=texts,
    kind=st.integers(0, 7),
    start_time_unix_nano=uint64,
    end_time_unix_nano=uint64,
    attributes=attributes,
    dropped_attributes_count=uint32,
    events=st.lists(
        st.builds(Span.Event, time_unix_nano=uint64, name=texts, attributes=attributes), max_size=2
    ),
    links=st.lists(
        st.builds(
            Span.Link,
            trace_id=trace_ids,
            span_id=span_ids,
            trace_state=texts,
            attributes=attributes,
            flags=uint32,
        ),
        max_size=2,
    ),
    status=st.builds(Status, message=texts, code=st.integers(0, 3)),
)
requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans,
            resource=st.builds(ProtoResource, attributes=attributes, dropped_attributes_count=uint32),
            schema_url=texts,
            scope_spans=st.lists(
                st.builds(
                    ScopeSpans,
                    scope=st.builds(InstrumentationScope, name=texts, version=texts, attributes=attributes),
                    schema_url=texts,
                    spans=st.lists(spans, max_size=3),
                ),
                max_size=2,
            ),
        ),
        max_size=2,
    ),
)


def flat(groups: Any) -> dict[tuple[bytes, bytes], tuple[bytes, ...]]:
    """Return each span with its resource and scope, as bytes by its ids; of equal ids, the first."""
    found: dict[tuple[bytes, bytes], tuple[bytes, ...]] = {}
    for group in groups:
        for scoped in group.scope_spans:
            for span in scoped.spans:
                whole = (
                    group.resource.SerializeToString(deterministic=True),
                    group.schema_url.encode(),
                    scoped.scope.SerializeToString(deterministic=True),
                    scoped.schema_url.encode(),
                    span.SerializeToString(deterministic=True),
                )
                found.setdefault((span.trace_id, span.span_id), whole)
    return found


@given(request=requests)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_span_survives(store: Store, request: ExportTraceServiceRequest) -> None:
    """Whatever spans are sent, by JSON or protobuf, each is read back with its own resource and scope."""
    sent = otlp.from_json(json.dumps(otlp.to_json(request)).encode(), ExportTraceServiceRequest())
    assert request == sent
    store.delete_before(2**63, whole_traces=False)
    store.write(
        rows.from_traces(otlp.from_protobuf(sent.SerializeToString(), ExportTraceServiceRequest()), NOW)
    )
    query = Query(store)
    read: dict[tuple[bytes, bytes], tuple[bytes, ...]] = {}
    for trace_id in ("01" * 16, "02" * 16):
        if (trace := query.trace(trace_id)) is not None:
            read |= flat(trace.resource_spans)
            json_format.ParseDict(json_format.MessageToDict(trace), type(trace)())
    assert flat(request.resource_spans) == read
