"""Reading what the pipeline left behind: job states, traces in Jaeger, series in Prometheus."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pika

from voxtrace_services.cli.trace import Trace
from voxtrace_services.core.topology import EXCHANGE
from voxtrace_services.native.stack import Stack

T = TypeVar("T")
#: The trace of whoever sends the uploads.
STRANGER = "deadbeef" * 4
SERVICES = ("gateway", "asr", "translation", "synthesis")
#: What each kind of upload says, and what becomes of it.
KINDS = {
    "short": 15,  # four seconds of speech
    "long": 2,  # ten seconds
    "broken": 1,  # passes the gateway, but no sample of it decodes
    "never": 1,  # its translation fails for good
    "once": 1,  # its translation fails once, then works
}


def until(read: Callable[[], T], holds: Callable[[T], bool], seconds: float = 60) -> T:
    """Poll until what is read holds, and return the last reading either way."""
    deadline = time.monotonic() + seconds
    while not holds(value := read()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One upload after it came to its end."""

    kind: str
    id: str
    trace_id: str
    state: str
    failure: dict[str, str] | None


def send(gateway: str, kind: str, clip: Path) -> dict[str, Any]:
    """Upload one clip."""
    answer = httpx.post(
        f"{gateway}/v1/uploads",
        files={"audio": (clip.name, clip.read_bytes())},
        # A stranger's context, which asks not to be sampled: must not become ours.
        headers={"traceparent": f"00-{STRANGER}-deadbeefdeadbeef-00"},
        timeout=30,
    )
    assert answer.status_code == 202, (kind, answer.text)
    accepted: dict[str, Any] = answer.json()
    return accepted


class StatusPolls:
    """Asks how uploads are, and counts how often: each question is a request that the gateway traces."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self.count = 0

    def ask(self, upload_id: str) -> dict[str, Any]:
        """Read the state of one upload."""
        self.count += 1
        answer = httpx.get(f"{self._gateway}/v1/uploads/{upload_id}", timeout=30)
        answer.raise_for_status()
        job: dict[str, Any] = answer.json()
        return job


def whole(trace: Trace) -> bool:
    """Say whether the gateway's first and last span have arrived, and the parent of every span.

    Four processes send the spans of one upload, each in its own time: an effect may arrive before its cause.
    """
    names = {span.name for span in trace.spans}
    return {"POST /v1/uploads", "process speech:events"} <= names and not trace.orphans


def jaeger_trace(pipeline: Stack, trace_id: str) -> Trace:
    """Read one trace from Jaeger when it is whole."""

    def read() -> Trace:
        answer = httpx.get(f"{pipeline.jaeger_url}/api/v3/traces/{trace_id}", timeout=10)
        document = answer.json()["result"] if answer.status_code == 200 else {}
        return Trace.from_otlp(document, trace_id)

    return until(read, whole)


def prometheus(pipeline: Stack, query: str) -> list[dict[str, Any]]:
    """Evaluate an instant query."""
    answer = httpx.get(f"{pipeline.prometheus_url}/api/v1/query", params={"query": query}, timeout=10)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]["result"]
    return found


def counted(pipeline: Stack, query: str, *labels: str) -> Counter[tuple[str, ...]]:
    """Evaluate an instant query as whole numbers by the values of some labels."""
    return Counter(
        {
            tuple(row["metric"].get(label, "") for label in labels): round(float(row["value"][1]))
            for row in prometheus(pipeline, query)
        }
    )


def logs(pipeline: Stack, trace_id: str) -> set[tuple[str, str]]:
    """Service and body of each log record of a trace: logs go through the Collector to the console."""
    answer = httpx.get(f"{pipeline.console_url}/api/logs", params={"trace_id": trace_id}, timeout=10)
    answer.raise_for_status()
    return {
        (attribute["value"]["stringValue"], record["body"]["stringValue"])
        for resource in answer.json()["result"].get("resourceLogs", ())
        for attribute in resource["resource"]["attributes"]
        if attribute["key"] == "service.name"
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    }


def ready(pipeline: Stack, queue: str) -> int:
    """How many messages of a queue no worker has in hand, now: the metrics of the broker are seconds old."""
    with pika.BlockingConnection(pika.URLParameters(pipeline.rabbitmq.url)) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.message_count)


def tap(pipeline: Stack, key: str) -> str:
    """Keep a copy of each message that is published under a key from now on; the queue that holds them."""
    name = f"tap.{key}"
    with pika.BlockingConnection(pika.URLParameters(pipeline.rabbitmq.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(name, durable=True)
        channel.queue_bind(name, EXCHANGE, key)
    return name


def said(pipeline: Stack, service: str) -> list[dict[str, Any]]:
    """Every line that a service logged, over all its lives."""
    log = pipeline.process(service).log.read_text(encoding="utf-8")
    # Of the last line, half may be on its way; what is not JSON was not said by us.
    return [json.loads(line) for line in log.split("\n")[:-1] if line.startswith("{")]
