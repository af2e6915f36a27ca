"""What the Collector has acknowledged arrives: after an outage, through refusals, and when it is killed."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from integration.collector.otlp import Backend, span, traces
from integration.native.waiting import eventually
from voxtrace_services.native import Observability, Ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.collector.conftest import Start

pytestmark = pytest.mark.timeout(600)

_OUTAGE_SECONDS = 60
_SPANS_PER_SECOND = 200
_REQUESTS_PER_SECOND = 10
_SPANS = _SPANS_PER_SECOND // _REQUESTS_PER_SECOND
_KILLS = 10
#: How many requests a Collector acknowledges between two kills, at least.
_BETWEEN_KILLS = 5


@dataclass
class Sender:
    """Sends traces to a Collector, and remembers those that it acknowledged."""

    endpoint: str
    acknowledged: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep one connection."""
        self._client = httpx.Client(trust_env=False, timeout=10)

    def send(self) -> bool:
        """Send one trace; tell whether it was acknowledged."""
        trace_id = secrets.token_bytes(16)
        spans = [span(f"step {number}", trace_id=trace_id) for number in range(_SPANS)]
        headers = {"Content-Type": "application/x-protobuf"}
        try:
            answer = self._client.post(
                f"{self.endpoint}/v1/traces", content=traces(spans).SerializeToString(), headers=headers
            )
        except httpx.TransportError:
            return False
        if answer.status_code == 200:
            self.acknowledged[trace_id.hex()] = {each.span_id.hex() for each in spans}
        return answer.status_code == 200

    def close(self) -> None:
        """End the connection."""
        self._client.close()


@pytest.fixture(name="group", scope="module")
def _group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observability]:
    """A Collector that feeds Jaeger."""
    with Observability(tmp_path_factory.mktemp("outages"), ports=Ports.free()) as group:
        yield group


@pytest.fixture(name="refusing", scope="module")
def _refusing() -> Iterator[Backend]:
    """A back end that refuses 70 % of calls."""
    with Backend(refuses=0.7) as backend:
        yield backend


@pytest.fixture(name="minute", scope="module")
def _minute(
    group: Observability, refusing: Backend, start_collector: Start
) -> Iterator[tuple[Sender, Sender]]:
    """A minute without Jaeger for one Collector, and the same one for another before what refuses."""
    other = start_collector(
        VOXTRACE_OTLP_ENDPOINT=refusing.endpoint, VOXTRACE_COLLECTOR_RETRY_INTERVAL="500ms"
    )
    to_jaeger, to_refusing = Sender(group.otlp_endpoint), Sender(other.endpoint)
    group.process("jaeger").stop()
    begin = time.monotonic()
    for number in range(_OUTAGE_SECONDS * _REQUESTS_PER_SECOND):
        time.sleep(max(0.0, begin + number / _REQUESTS_PER_SECOND - time.monotonic()))
        assert to_jaeger.send()
        assert to_refusing.send()
    group.process("jaeger").start()
    yield to_jaeger, to_refusing
    to_jaeger.close()
    to_refusing.close()


def _missing(jaeger: str, wanted: dict[str, set[str]]) -> dict[str, set[str]]:
    """Of the wanted traces, the spans that Jaeger has not."""
    missing = {}
    with httpx.Client(base_url=jaeger, trust_env=False, timeout=30) as client:
        for trace_id, span_ids in wanted.items():
            answer = client.get(f"/api/v3/traces/{trace_id}")
            resources = answer.json()["result"]["resourceSpans"] if answer.is_success else ()
            found = {
                each["spanId"]
                for resource in resources
                for scope in resource["scopeSpans"]
                for each in scope.get("spans", ())
            }
            if left := span_ids - found:
                missing[trace_id] = left
    return missing


def _eventually_in_jaeger(jaeger: str, wanted: dict[str, set[str]]) -> None:
    left = dict(wanted)

    def condition() -> None:
        nonlocal left
        left = _missing(jaeger, left)
        assert left == {}

    eventually(condition, seconds=90)


def test_a_minute_without_jaeger_costs_nothing(group: Observability, minute: tuple[Sender, Sender]) -> None:
    """Jaeger is away for 60 s at 200 spans a second: every span is there afterwards."""
    sent = minute[0].acknowledged

    assert sum(map(len, sent.values())) == _OUTAGE_SECONDS * _SPANS_PER_SECOND
    _eventually_in_jaeger(group.jaeger_url, sent)


def test_a_back_end_that_refuses_gets_everything_once(
    refusing: Backend, minute: tuple[Sender, Sender]
) -> None:
    """Of a back end's calls 70 % are answered with 503: it has received what was sent, each span once."""
    sent = {span_id: 1 for ids in minute[1].acknowledged.values() for span_id in ids}

    def condition() -> None:
        assert len(refusing.span_ids()) == len(sent)

    eventually(condition, seconds=120)
    assert {span_id.hex(): count for span_id, count in refusing.span_ids().items()} == sent
    assert refusing.refused > len(refusing.received["/v1/traces"])


def test_a_killed_collector_keeps_its_word(group: Observability) -> None:
    """The Collector is killed ten times under load: every span that it had acknowledged is in Jaeger.

    Nor does what arrives while it starts harm it: where it does, a span is lost in one run of four (ADR 010).
    """
    sender, ended = Sender(group.otlp_endpoint), threading.Event()

    def load() -> None:
        while not ended.is_set():
            sender.send()

    loading = threading.Thread(target=load)
    loading.start()
    try:
        for _ in range(_KILLS):
            before = len(sender.acknowledged)

            def busy(before: int = before) -> None:
                assert len(sender.acknowledged) >= before + _BETWEEN_KILLS

            eventually(busy)
            group.process("collector").kill()
            group.process("collector").start()
    finally:
        ended.set()
        loading.join()
        sender.close()

    assert len(sender.acknowledged) >= _KILLS * _BETWEEN_KILLS
    _eventually_in_jaeger(group.jaeger_url, sender.acknowledged)
    assert "panic" not in group.process("collector").log.read_text()
