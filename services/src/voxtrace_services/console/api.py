"""What the console is asked: Jaeger's `/api/v3`, and the console's own `/api`."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from google.protobuf.message import Message
from starlette.datastructures import QueryParams

from voxtrace_services.console import otlp
from voxtrace_services.console.errors import BadQueryError
from voxtrace_services.console.query import Query, Search

_DEFAULT_LIMIT: Final = 1000
_MAX_LIMIT: Final = 10_000
_MAX_TRACE_ID: Final = 32
_NS: Final = 10**9
_DURATION_UNITS_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": _NS,
    "m": 60 * _NS,
    "h": 3600 * _NS,
}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


def routes(query: Query, clock: Callable[[], int]) -> APIRouter:
    """Return the routes that read."""
    router = APIRouter(prefix="/api")

    @router.get("/v3/services")
    def services() -> JSONResponse:
        return JSONResponse({"services": query.services()})

    @router.get("/v3/operations")
    def operations(request: Request) -> JSONResponse:
        service = request.query_params.get("service") or ""
        found = query.operations(service, _either(request.query_params, "spanKind", "span_kind"))
        return JSONResponse({"operations": [{"name": name, "spanKind": kind} for name, kind in found]})

    @router.get("/v3/traces/{trace_id}")
    def trace(trace_id: str) -> JSONResponse:
        found = query.trace(_trace_id(trace_id))
        return _not_found() if found is None else JSONResponse({"result": _document(found)})

    @router.get("/v3/traces")
    def traces(request: Request) -> JSONResponse:
        found = query.search(_search(request.query_params))
        return JSONResponse({"result": _document(found)}) if found.resource_spans else _not_found()

    @router.get("/red")
    def red(request: Request) -> JSONResponse:
        window = _number(request.query_params, "window", 3600.0)
        rows = [asdict(row) for row in query.red(window, clock())]
        return JSONResponse({"window": window, "rows": rows})

    @router.get("/signals")
    def signals() -> JSONResponse:
        return JSONResponse({"services": [asdict(row) for row in query.signals()]})

    @router.get("/logs")
    def logs(request: Request) -> JSONResponse:
        asked = request.query_params
        trace_id = asked.get("trace_id")
        found = query.logs(
            trace_id=_trace_id(trace_id) if trace_id else None,
            service=asked.get("service") or None,
            limit=_limit(asked, "limit", _DEFAULT_LIMIT),
        )
        return JSONResponse({"result": _document(found)})

    @router.get("/metrics")
    def metrics(request: Request) -> JSONResponse:
        asked = request.query_params
        found = query.metrics(
            service=asked.get("service") or None,
            name=asked.get("name") or None,
            limit=_limit(asked, "limit", _DEFAULT_LIMIT),
        )
        return JSONResponse({"result": _document(found)})

    return router


def problem(status: int, message: str) -> JSONResponse:
    """Return an error in the shape of Jaeger's `/api/v3`."""
    return JSONResponse({"error": {"httpCode": status, "message": message}}, status_code=status)


def _not_found() -> JSONResponse:
    return problem(404, "No traces found")


def _document(message: Message) -> dict[str, Any]:
    return otlp.to_json(message)


def _search(asked: QueryParams) -> Search:
    attributes = _either(asked, "query.attributes")
    return Search(
        service=_either(asked, "query.serviceName", "query.service_name"),
        operation=_either(asked, "query.operationName", "query.operation_name"),
        start_min_ns=_time(asked, "query.startTimeMin", "query.start_time_min"),
        start_max_ns=_time(asked, "query.startTimeMax", "query.start_time_max"),
        duration_min_ns=_duration(asked, "query.durationMin", "query.duration_min"),
        duration_max_ns=_duration(asked, "query.durationMax", "query.duration_max"),
        attributes=_attributes(attributes) if attributes else {},
        depth=_limit(asked, "query.searchDepth", Search.depth, "query.search_depth", "query.num_traces"),
    )


def _either(asked: QueryParams, *names: str) -> str | None:
    """Return the first of these parameters that is not empty: Jaeger has known several spellings."""
    return next((asked[name] for name in names if asked.get(name)), None)


def _attributes(text: str) -> dict[str, str]:
    try:
        attributes = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed("query.attributes", 'a JSON object, as {"key":"value"}') from error
    if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
        raise _malformed("query.attributes", 'a JSON object of strings, as {"key":"value"}')
    return attributes


def _trace_id(text: str) -> str:
    if len(text) > _MAX_TRACE_ID or not _HEX.fullmatch(text):
        raise _malformed("trace_id", "up to 32 hex digits")
    return text.lower().zfill(_MAX_TRACE_ID)


def _time(asked: QueryParams, *names: str) -> int | None:
    text = _either(asked, *names)
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError  # noqa: TRY301 - one way out for both
        # Python's clock counts microseconds, OTLP's nanoseconds: the fraction is read apart.
        whole = datetime.fromisoformat((match[1] + match[3]).upper())
    except ValueError as error:
        raise _malformed(names[0], "an RFC 3339 time, as 2026-01-02T03:04:05Z") from error
    return max(int(whole.timestamp()) * _NS + int((match[2] or "").ljust(9, "0")), 0)


def _duration(asked: QueryParams, *names: str) -> int | None:
    text = _either(asked, *names)
    if text is None:
        return None
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise _malformed(names[0], "a duration, as 1.5s or 200ms")
    return int(sum(float(number) * _DURATION_UNITS_NS[unit] for number, unit in parts))


def _number(asked: QueryParams, name: str, default: float) -> float:
    text = _either(asked, name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 10**9:
        raise _malformed(name, "a number of seconds above zero")
    return value


def _limit(asked: QueryParams, name: str, default: int, *aliases: str) -> int:
    text = _either(asked, name, *aliases)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004 - keeps the number small
        raise _malformed(name, "a whole number")
    return min(int(text) or default, _MAX_LIMIT)


def _malformed(name: str, wanted: str) -> BadQueryError:
    return BadQueryError(f"malformed parameter {name}: must be {wanted}")
