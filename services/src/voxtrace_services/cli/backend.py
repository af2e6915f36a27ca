"""What a trace backend knows, asked through the subset of Jaeger's `/api/v3` that ours answers too."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from voxtrace_services.cli.connection import answering, connect
from voxtrace_services.cli.errors import TraceMissingError, UnreachableError
from voxtrace_services.cli.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

_UNAUTHORIZED, _NOT_FOUND = 401, 404
_POLL_SECONDS = 0.3
# Jaeger wants a time range and a limit with every search.
_SEARCH_DAYS = 7
_SEARCH_DEPTH = "200"
_CONVERSATION = "messaging.message.conversation_id"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """Requests, errors and durations (seconds) of one operation of one service."""

    service: str
    operation: str
    kind: str
    calls: int
    errors: int
    rate: float
    p50: float | None
    p95: float | None
    p99: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the row as the console's API has it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """One server that keeps traces: `console` or `jaeger`, and the token it asks for, if it does."""

    name: str
    url: str
    token: str | None = field(default=None, repr=False)

    def document(self, trace_id: str) -> dict[str, Any] | None:
        """Return a trace as OTLP JSON (`{"resourceSpans": [...]}`), None when it is not known here."""
        answer = self._get(f"/api/v3/traces/{trace_id}")
        return None if answer is None else _result(answer)

    def trace(self, trace_id: str) -> Trace | None:
        """Return a trace, None when it is not known here."""
        document = self.document(trace_id)
        return None if document is None else Trace.from_otlp(document, trace_id)

    def trace_ids(self, upload_id: str) -> tuple[str, ...]:
        """Return the traces whose messages carry an upload's id."""
        found = self._search(attributes=json.dumps({_CONVERSATION: upload_id}))
        # Jaeger 2.13 does not filter by attributes, so this does.
        return tuple(
            trace.trace_id
            for trace in found
            if any(span.attributes.get(_CONVERSATION) == upload_id for span in trace.spans)
        )

    def newest(self, service: str, operation: str) -> Trace | None:
        """Return the newest trace that holds an operation, None when there is none."""
        found = self._search(service=service, operation=operation)
        return max(found, key=lambda trace: trace.start, default=None)

    def operations(self, service: str) -> tuple[str, ...]:
        """Return the span names that a service is known to use."""
        answer = self._get("/api/v3/operations", {"service": service}) or {}
        return tuple(str(operation["name"]) for operation in answer.get("operations", ()))

    def rates(self, window: float) -> tuple[Rate, ...]:
        """Return RED per operation over the last seconds; the console alone can say."""
        answer = self._get("/api/red", {"window": f"{window:g}"}) or {}
        return tuple(
            Rate(
                service=row["service"],
                operation=row["operation"],
                kind=row["kind"],
                calls=int(row["calls"]),
                errors=int(row["errors"]),
                rate=float(row["rate"]),
                p50=row["p50"],
                p95=row["p95"],
                p99=row["p99"],
            )
            for row in answer.get("rows", ())
        )

    def settled_trace(self, trace_id: str, *, last: str, seconds: float) -> Trace | None:
        """
        Return a trace once it is whole, or what there is of it when the time is over.

        Whole means: the span that ends an upload's journey is there and no parent is missing.
        """
        deadline = time.monotonic() + seconds
        while True:
            trace = self.trace(trace_id)
            whole = trace is not None and any(span.name == last for span in trace.spans) and not trace.orphans
            if whole or time.monotonic() > deadline:
                return trace
            time.sleep(_POLL_SECONDS)

    def _search(self, *, service: str = "", operation: str = "", attributes: str = "") -> list[Trace]:
        """Search in both spellings: Jaeger before 2.20 knows snake_case alone, later ones camelCase."""
        now = datetime.now(UTC)
        since, until = _rfc3339(now - timedelta(days=_SEARCH_DAYS)), _rfc3339(now + timedelta(minutes=1))
        query = {
            "query.serviceName": service,
            "query.service_name": service,
            "query.operationName": operation,
            "query.operation_name": operation,
            "query.startTimeMin": since,
            "query.start_time_min": since,
            "query.startTimeMax": until,
            "query.start_time_max": until,
            "query.searchDepth": _SEARCH_DEPTH,
            "query.num_traces": _SEARCH_DEPTH,
            "query.attributes": attributes,
        }
        answer = self._get("/api/v3/traces", {name: value for name, value in query.items() if value})
        document = _result(answer) if answer else {}
        return [Trace.from_otlp(document, trace_id) for trace_id in dict.fromkeys(_trace_ids(document))]

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        with answering(self.name, self.url), connect(self.url, token=self.token) as client:
            answer = client.get(path, params=query)
        if answer.status_code == _NOT_FOUND:
            return None
        if answer.status_code == _UNAUTHORIZED and self.name == "console":
            raise UnreachableError(
                f"The {self.name} at {self.url} wants its token: set VOXTRACE_CONSOLE_TOKEN."
            )
        return _object(answer, self)


def first_document(backends: Sequence[Backend], trace_id: str) -> tuple[Backend, dict[str, Any]]:
    """
    Return a trace from the first backend that knows it, and which that was.

    Raises:
        TraceMissingError: when those that answer do not know the trace.
        UnreachableError: when none of them answers.
    """
    silent: list[UnreachableError] = []
    for backend in backends:
        try:
            document = backend.document(trace_id)
        except UnreachableError as error:
            silent.append(error)
            continue
        if document is not None:
            return backend, document
    if len(silent) == len(backends):
        raise silent[0]
    asked = " and ".join(backend.name for backend in backends)
    raise TraceMissingError(
        f"No trace {trace_id} in {asked}. Spans arrive some seconds after the work; "
        "a sampled-out or expired trace does not come back."
    )


def _object(answer: httpx.Response, backend: Backend) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not answer.is_success or not isinstance(body, dict):
        raise UnreachableError(
            f"{backend.url} does not answer like a {backend.name} (HTTP {answer.status_code} "
            f"for {answer.request.url.path}): is the address right?"
        )
    return body


def _result(answer: Mapping[str, Any]) -> dict[str, Any]:
    result = answer.get("result", {})
    return result if isinstance(result, dict) else {}


def _trace_ids(document: Mapping[str, Any]) -> Iterator[str]:
    for resource_spans in document.get("resourceSpans", ()):
        for scope_spans in resource_spans.get("scopeSpans", ()):
            for span in scope_spans.get("spans", ()):
                yield str(span["traceId"]).lower()


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
