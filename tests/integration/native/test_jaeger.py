"""Jaeger keeps traces on disk or in memory, for as long as it is told; its page has links of ours."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from integration.native.sending import send
from integration.native.waiting import eventually
from voxtrace_services.native import NativeError, Observability, Ports, jaeger


@contextmanager
def observing(factory: pytest.TempPathFactory, **settings: str) -> Iterator[Observability]:
    """A back end of one's own, its Jaeger with some settings."""
    folder = factory.mktemp("jaeger")
    with Observability(folder, ports=Ports.free(), env={"jaeger": settings}) as group:
        yield group


def found(group: Observability, trace_id: str) -> bool:
    """Say whether Jaeger has a trace."""
    answer = httpx.get(f"{group.jaeger_url}/api/v3/traces/{trace_id}", timeout=15, trust_env=False)
    assert answer.status_code in {200, 404}, answer.text
    return answer.status_code == 200


def stored(group: Observability, service: str) -> list[str]:
    """Send three spans, and wait until Jaeger has them; their traces."""
    traces = [trace_id for trace_id, _ in send(group.otlp_endpoint, service=service, count=3)]

    def condition() -> None:
        assert all(found(group, trace_id) for trace_id in traces)

    eventually(condition)
    return traces


def test_traces_outlive_jaeger(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every trace is there after Jaeger was stopped and started, and after it was killed and started."""
    with observing(tmp_path_factory) as group:
        traces = stored(group, "kept")
        group.restart("jaeger")
        assert [trace for trace in traces if not found(group, trace)] == []
        traces += stored(group, "kept")
        group.kill("jaeger", signal.SIGKILL)
        group.process("jaeger").start()
        assert [trace for trace in traces if not found(group, trace)] == []


def test_traces_in_memory_do_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With memory for storage a restart forgets them: it is the storage that makes the difference."""
    with observing(tmp_path_factory, VOXTRACE_JAEGER_STORAGE="memory") as group:
        traces = stored(group, "forgotten")
        group.restart("jaeger")
        assert [trace for trace in traces if found(group, trace)] == []


def test_traces_are_kept_for_as_long_as_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A trace that is older than the retention is gone."""
    with observing(tmp_path_factory, VOXTRACE_JAEGER_RETENTION="5s") as group:
        traces = stored(group, "fleeting")

        def condition() -> None:
            assert not any(found(group, trace) for trace in traces)

        eventually(condition)


def test_the_page_links_to_what_runs(observability: Observability) -> None:
    """Jaeger's page has the committed links, with the ports that are in use."""
    page = httpx.get(observability.jaeger_url, timeout=15, trust_env=False).text
    configured = re.search(r"JAEGER_CONFIG = (\{.*\});", page)
    assert configured is not None, page
    links = json.loads(configured[1])["linkPatterns"]
    ports = observability.ports
    assert {(link["type"], re.sub(r"(http://[^/]+).*", r"\1", link["url"])) for link in links} == {
        ("traces", f"http://127.0.0.1:{ports.console}"),
        ("traces", f"http://127.0.0.1:{ports.grafana}"),
        ("process", f"http://127.0.0.1:{ports.grafana}"),
    }


def test_an_unknown_storage_says_which_there_are(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A storage of another name is refused, with the names that there are."""
    with pytest.raises(NativeError, match="badger, cassandra, clickhouse, memory, opensearch"):
        jaeger.command(
            tmp_path_factory.mktemp("jaeger"),
            ports=Ports.free(),
            environment={"VOXTRACE_JAEGER_STORAGE": "floppy"},
        )
