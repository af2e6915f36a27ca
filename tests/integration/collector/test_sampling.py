"""Which traces are kept, one policy at a time, with nothing else to keep them."""

from __future__ import annotations

import re
import secrets
from itertools import chain
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from integration.collector.otlp import Backend, export, send, span, traces
from integration.native.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.collector.conftest import Running, Start

#: A second span, beside a plain one, for which each trace must be kept.
KEPT: dict[str, dict[str, Any]] = {
    "error": {"error": "no such voice"},
    "slow span": {"seconds": 2.5},
    "quality flag": {"speech__quality__flags": ["repetition"]},
    "asked for": {"voxtrace__keep": True},
    "redelivered": {"voxtrace__messaging__redelivered": True},
    "second attempt": {"voxtrace__messaging__delivery__attempt": 2},
    "back from a retry queue": {"voxtrace__messaging__death__count": 1},
    "to a retry exchange": {"messaging__destination__name": "speech.retry.5s:transcribe"},
    "to the dead letters": {"messaging__destination__name": "speech.dead:transcribe"},
    "to somebody's dead letters": {"messaging__destination__name": "orders.dead-letter"},
    "to somebody's DLQ": {"messaging__destination__name": "orders-DLQ"},
    "rejected": {"voxtrace__messaging__settlement": "reject"},
    "requeued": {"voxtrace__messaging__settlement": "requeue"},
}
#: Likewise, for which none must be kept.
DROPPED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "not so slow": {"seconds": 0.5},
    "first attempt": {
        "voxtrace__messaging__redelivered": False,
        "voxtrace__messaging__delivery__attempt": 1,
        "voxtrace__messaging__settlement": "ack",
    },
    "elsewhere": {"messaging__destination__name": "speech:deadline"},
    "not asked for": {"voxtrace__keep": False},
}


@pytest.fixture(name="backend", scope="module")
def _backend() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@pytest.fixture(name="sampling", scope="module")
def _sampling(start_collector: Start, backend: Backend) -> Running:
    return start_collector(
        "red",
        "prometheus",
        VOXTRACE_OTLP_ENDPOINT=backend.endpoint,
        VOXTRACE_SAMPLING_PERCENT="0.0001",
        VOXTRACE_SAMPLING_DECISION_WAIT="2s",
        VOXTRACE_SAMPLING_SLOW_SPAN_MS="2000",
        VOXTRACE_SAMPLING_SLOW_TRACE_MS="5000",
        VOXTRACE_SPAN_METRICS_INTERVAL="4s",
    )


def _pair(**values: Any) -> list[Span]:
    trace_id = secrets.token_bytes(16)
    return [span("publish", trace_id=trace_id), span("process", trace_id=trace_id, **values)]


def test_each_reason_keeps_a_trace_whole(sampling: Running, backend: Backend) -> None:
    """One span with a reason keeps the others of its trace too; traces without one are let go."""
    kept = {reason: _pair(**values) for reason, values in KEPT.items()}
    dropped = {what: _pair(**values) for what, values in DROPPED.items()}
    # The ends of a slow trace, neither of them slow.
    early, late = _pair()
    early.start_time_unix_nano -= 6 * 10**9
    early.end_time_unix_nano -= 6 * 10**9
    kept["slow trace"] = [early, late]
    for pair in dropped.values():
        send(sampling.endpoint, *pair, service="reasons")
    for pair in kept.values():
        for each in pair:
            send(sampling.endpoint, each, service="reasons")
    by_resource = [span("plain")]
    request = traces(by_resource, service="reasons", voxtrace__keep=True)
    assert export(sampling.endpoint, "/v1/traces", request).status_code == 200

    wanted = {each.span_id for each in chain(*kept.values(), by_resource)}

    def condition() -> None:
        assert wanted - set(backend.span_ids("reasons")) == set()

    eventually(condition)
    # What was let go came first, so its turn was before.
    arrived = set(backend.span_ids("reasons"))
    assert [what for what, pair in dropped.items() if {each.span_id for each in pair} & arrived] == []


def test_what_comes_late_joins_what_was_kept(sampling: Running, backend: Backend) -> None:
    """A span that arrives after its trace was kept is kept, and goes on at once."""
    first, second = _pair()
    first.status.code = first.status.STATUS_CODE_ERROR
    send(sampling.endpoint, first, service="late")

    def kept() -> None:
        assert set(backend.span_ids("late")) == {first.span_id}

    eventually(kept)
    send(sampling.endpoint, second, service="late")

    def joined() -> None:
        assert set(backend.span_ids("late")) == {first.span_id, second.span_id}

    eventually(joined, seconds=10)


def test_an_error_after_the_decision_is_kept_nevertheless(sampling: Running, backend: Backend) -> None:
    """Of a trace that was let go, an error that comes later is there: half a trace rather than none."""
    first, second = _pair(error="worker lost")
    arrived = set()

    # The last that was let go is remembered, so that another must follow.
    for dropped in (first, span("next")):
        marker = span("marker", error="decided at the same time")
        send(sampling.endpoint, dropped, marker, service="too late")
        arrived.add(marker.span_id)

        def decided() -> None:
            assert set(backend.span_ids("too late")) == arrived

        eventually(decided)
    send(sampling.endpoint, second, service="too late")
    arrived.add(second.span_id)

    eventually(decided)


def test_red_counts_all_and_exemplars_are_of_what_was_kept(sampling: Running, backend: Backend) -> None:
    """traces_span_metrics_* counts every span, without exemplars; those of traces_sampled_* were all kept."""
    pairs = [_pair(**({"error": "x"} if number % 5 == 0 else {})) for number in range(20)]
    for pair in pairs:
        send(sampling.endpoint, *pair, service="red")
    kept = {pair[0].trace_id.hex() for pair in pairs[::5]}
    # An exemplar is there until the next flush.
    exemplars: set[str] = set()

    def condition() -> None:
        accept = "application/openmetrics-text; version=1.0.0"
        text = httpx.get(sampling.metrics, headers={"Accept": accept}, trust_env=False).text
        lines = [line for line in text.splitlines() if 'service_name="red"' in line]
        exemplars.update(re.findall(r' # \{.*trace_id="(\w+)"', "\n".join(lines)))
        assert not [line for line in lines if line.startswith("traces_span_metrics") and " # {" in line]
        calls = [line for line in lines if line.startswith("traces_span_metrics_calls_total{")]
        assert sum(float(line.partition("} ")[2].split()[0]) for line in calls) == 40
        sampled = [line for line in lines if line.startswith("traces_sampled_calls_total{")]
        assert sum(float(line.partition("} ")[2].split()[0]) for line in sampled) == 8
        assert exemplars

    eventually(condition)
    assert exemplars <= kept
