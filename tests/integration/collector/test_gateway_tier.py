"""In front of many Collectors, each trace goes to one."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

from integration.collector.otlp import Backend, send, span
from integration.native.waiting import eventually

if TYPE_CHECKING:
    from integration.collector.conftest import Start


def test_a_trace_meets_in_one_collector(start_collector: Start) -> None:
    """Spans of a trace that come at different times, to different gateways, arrive at the same Collector."""
    with ExitStack() as cleanup:
        behind = [cleanup.enter_context(Backend()) for _ in range(3)]
        # Two shards share a Collector.
        endpoints = [*behind, behind[-1]]
        environment = {
            f"VOXTRACE_SAMPLER_{shard}_ENDPOINT": backend.endpoint for shard, backend in enumerate(endpoints)
        }
        gateways = [start_collector("gateway-tier", **environment) for _ in range(2)]
        ids = [secrets.token_bytes(16) for _ in range(100)]
        for gateway in gateways:
            send(gateway.endpoint, *(span("first", trace_id=trace_id) for trace_id in ids))
            send(gateway.endpoint, *(span("second", trace_id=trace_id) for trace_id in ids))

        def condition() -> None:
            assert sum(len(backend.spans()) for backend in behind) == 4 * len(ids)

        eventually(condition)
        for shard, digits in enumerate(["0123", "4567", "89abcdef"]):
            mine = {trace_id for trace_id in ids if trace_id.hex()[-1] in digits}
            arrived = [each.trace_id for each in behind[shard].spans()]
            assert set(arrived) == mine
            assert len(arrived) == 4 * len(mine)
            assert mine
