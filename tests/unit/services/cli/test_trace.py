"""Reading OTLP JSON into a tree."""

from __future__ import annotations

from typing import Any

import pytest

from voxtrace_services.cli.trace import Span, Trace

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def _one(**fields: Any) -> dict[str, Any]:
    span = {
        "traceId": TRACE_ID,
        "spanId": "01",
        "name": "a",
        "startTimeUnixNano": "5",
        "endTimeUnixNano": "9",
    }
    return _spans({**span, **fields})


def _spans(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": list(spans)}]}]}


def _bare(span_id: str, parent_id: str = "", start: int = 0) -> dict[str, Any]:
    return {
        "spanId": span_id,
        "parentSpanId": parent_id,
        "name": span_id,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 1),
    }


def _tree(trace: Trace) -> list[tuple[str, int, bool]]:
    return [(row.span.span_id, row.depth, row.orphan) for row in trace.rows]


class TestFromOtlp:
    """Reading."""

    def test_whole_span(self) -> None:
        """Every field of a span is read, 64-bit integers from strings and enum members from numbers."""
        attributes = [
            {"key": "i", "value": {"intValue": "3"}},
            {"key": "d", "value": {"doubleValue": 0.5}},
            {"key": "b", "value": {"boolValue": False}},
            {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"intValue": 2}]}}},
            {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}},
            {"key": "empty", "value": {}},
        ]
        document = _one(kind=5, parentSpanId="00", status={"code": 2}, attributes=attributes)

        assert Trace.from_otlp(document, TRACE_ID).spans == (
            Span(
                span_id="01",
                parent_id="00",
                service="unknown_service",
                name="a",
                kind="CONSUMER",
                start=5,
                end=9,
                error=True,
                attributes={"i": 3, "d": 0.5, "b": False, "l": ["x", 2], "m": {"k": "v"}, "empty": None},
            ),
        )

    @pytest.mark.parametrize("kind", [2, "SPAN_KIND_SERVER", "SERVER"])
    def test_kinds(self, kind: int | str) -> None:
        """A kind is read by number and by either name."""
        (span,) = Trace.from_otlp(_one(kind=kind), TRACE_ID).spans

        assert span.kind == "SERVER"

    @pytest.mark.parametrize(
        ("code", "error"), [(2, True), ("STATUS_CODE_ERROR", True), (1, False), (0, False)]
    )
    def test_status(self, code: int | str, error: bool) -> None:
        """Only the error code makes an error."""
        (span,) = Trace.from_otlp(_one(status={"code": code}), TRACE_ID).spans

        assert span.error is error

    def test_other_traces_are_left_out(self) -> None:
        """A search answers with several traces in one document; the others' spans do not mix in."""
        assert Trace.from_otlp(_one(traceId="f" * 32), TRACE_ID).spans == ()

    def test_delivered_twice_counts_once(self) -> None:
        """An exporter that retried leaves the same span twice."""
        trace = Trace.from_otlp(_spans(_bare("01"), _bare("01")), TRACE_ID)

        assert [span.span_id for span in trace.spans] == ["01"]

    def test_unended_span_has_no_length(self) -> None:
        """A span without an end is shown at its start."""
        (span,) = Trace.from_otlp(_one(endTimeUnixNano="0"), TRACE_ID).spans

        assert span.seconds == 0


class TestRows:
    """The tree."""

    def test_upload(self, upload_document: dict[str, Any]) -> None:
        """Parents come before children, siblings by start, whatever the service and the order of arrival."""
        upload_document["resourceSpans"].reverse()
        trace = Trace.from_otlp(upload_document, TRACE_ID)

        assert _tree(trace) == [
            ("01", 0, False),
            ("02", 1, False),
            ("03", 2, False),
            ("04", 2, False),
            ("05", 3, False),
            ("06", 4, False),
            ("07", 4, False),
            ("08", 3, False),
            ("09", 4, False),
            ("0a", 4, False),
        ]

    def test_missing_parent(self) -> None:
        """A span whose parent did not arrive is a top of its own and flagged, its children are not."""
        trace = Trace.from_otlp(_spans(_bare("01"), _bare("02", "99", 1), _bare("03", "02", 2)), TRACE_ID)

        assert _tree(trace) == [("01", 0, False), ("02", 0, True), ("03", 1, False)]
        assert [span.span_id for span in trace.orphans] == ["02"]

    def test_circle(self) -> None:
        """Spans that are each other's parents are still shown, once each."""
        trace = Trace.from_otlp(_spans(_bare("01", "02"), _bare("02", "01", 1)), TRACE_ID)

        assert _tree(trace) == [("01", 0, True), ("02", 1, False)]

    def test_own_parent(self) -> None:
        """A span that names itself as its parent is shown once."""
        assert _tree(Trace.from_otlp(_spans(_bare("01", "01")), TRACE_ID)) == [("01", 0, True)]

    def test_deep(self) -> None:
        """A chain longer than Python's recursion limit is walked to its end."""
        chain = [_bare(f"{n:04x}", f"{n - 1:04x}" if n else "", n) for n in range(3000)]

        assert Trace.from_otlp(_spans(*chain), TRACE_ID).rows[-1].depth == 2999

    def test_empty(self) -> None:
        """No spans make no rows and no time."""
        trace = Trace.from_otlp({}, TRACE_ID)

        assert (trace.rows, trace.seconds) == ((), 0)
