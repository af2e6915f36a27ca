"""What a test's code has emitted, as literals: fixed ids, a fixed clock."""

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import ReadableSpan, Span
    from opentelemetry.trace import Tracer, TracerProvider

__all__ = ["CapturedTelemetry", "telemetry"]

SECOND = 1_000_000_000


class CapturedTelemetry:
    """What a test's code has emitted, and the providers it is to emit with."""

    def __init__(
        self,
        tracer_provider: "TracerProvider",
        meter_provider: "MeterProvider",
        reader: "InMemoryMetricReader",
    ) -> None:
        self.tracer_provider = tracer_provider
        self.meter_provider = meter_provider
        self._reader = reader
        self._open: dict[int, Span] = {}
        self._ended: list[ReadableSpan] = []

    def tracer(self, name: str) -> "Tracer":
        """Return a tracer of the test's own provider."""
        return self.tracer_provider.get_tracer(name)

    def meter(self, name: str) -> "Meter":
        """Return a meter of the test's own provider."""
        return self.meter_provider.get_meter(name)

    def spans(self) -> list[dict[str, Any]]:
        """
        Return the ended spans as literals, in the order they were started.

        `name`, `trace`, `span`, `start` and `end` are always there; `kind`,
        `parent`, `remote`, `attributes`, `links`, `events`, `status` and
        `description` only where they say something.
        """
        return [_literal(span) for span in sorted(self._ended, key=_number)]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Return the data points by metric name: `attributes` with `value`, or `count` and `sum`."""
        data = self._reader.get_metrics_data()
        found: dict[str, list[dict[str, Any]]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found.setdefault(metric.name, []).extend(map(_point, metric.data.data_points))
        return found

    def open_spans(self) -> list[str]:
        """Return the names of the spans that have started and not ended."""
        return [span.name for span in self._open.values()]

    def clear(self) -> None:
        """Forget the spans that have ended."""
        self._ended.clear()


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[CapturedTelemetry]:
    """Telemetry of this test alone: ids 1, 2, 3, a clock that ticks once a second, no span left open."""
    # On use: this plugin is imported in every pytest run, the SDK need not be.
    import opentelemetry.sdk.trace as sdk  # noqa: PLC0415
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.trace.id_generator import IdGenerator  # noqa: PLC0415

    class Counted(IdGenerator):
        def __init__(self) -> None:
            self._traces, self._spans = itertools.count(1), itertools.count(1)

        def generate_trace_id(self) -> int:
            return next(self._traces)

        def generate_span_id(self) -> int:
            return next(self._spans)

    class Recorder(sdk.SpanProcessor):
        def on_start(self, span: "Span", parent_context: "Context | None" = None) -> None:  # noqa: ARG002
            captured._open[span.get_span_context().span_id] = span  # noqa: SLF001  # one class in two parts

        def on_end(self, span: "ReadableSpan") -> None:
            captured._open.pop(_number(span), None)  # noqa: SLF001  # as above
            captured._ended.append(span)  # noqa: SLF001  # as above

    seconds = itertools.count(1)
    monkeypatch.setattr(sdk, "time_ns", lambda: next(seconds) * SECOND)
    reader = InMemoryMetricReader()
    tracers = sdk.TracerProvider(id_generator=Counted(), shutdown_on_exit=False)
    meters = MeterProvider([reader], shutdown_on_exit=False)
    captured = CapturedTelemetry(tracers, meters, reader)
    tracers.add_span_processor(Recorder())
    yield captured
    tracers.shutdown()
    meters.shutdown()
    if left := captured.open_spans():
        pytest.fail(f"The test left spans open: {', '.join(left)}. End them, or end what holds them.")


def _number(span: "ReadableSpan") -> int:
    context = span.get_span_context()
    return context.span_id if context else 0


def _literal(span: "ReadableSpan") -> dict[str, Any]:
    context = span.get_span_context()
    parent = span.parent
    fields: dict[str, Any] = {
        "name": span.name,
        "trace": context.trace_id if context else 0,
        "span": _number(span),
        "kind": None if span.kind.name == "INTERNAL" else span.kind.name,
        "parent": parent.span_id if parent else None,
        "remote": True if parent and parent.is_remote else None,
        "start": _seconds(span.start_time),
        "end": _seconds(span.end_time),
        "attributes": _plain(span.attributes),
        "links": [
            {"trace": link.context.trace_id, "span": link.context.span_id, **_plain(link.attributes)}
            for link in span.links
        ],
        "events": [{"name": event.name, **_plain(event.attributes)} for event in span.events],
        "status": None if span.status.is_unset else span.status.status_code.name,
        "description": span.status.description,
    }
    return {key: value for key, value in fields.items() if value not in (None, [], {})}


def _seconds(nanoseconds: int | None) -> float | None:
    if nanoseconds is None:
        return None
    seconds = nanoseconds / SECOND
    return int(seconds) if seconds.is_integer() else seconds


def _plain(attributes: Any) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for key, value in sorted((attributes or {}).items())
    }


def _point(point: Any) -> dict[str, Any]:
    values = ("value",) if hasattr(point, "value") else ("count", "sum")
    return {"attributes": _plain(point.attributes), **{name: getattr(point, name) for name in values}}
