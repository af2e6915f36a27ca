"""Translation workers as processes that share a real Redis, on the real Apertium."""

from __future__ import annotations

import itertools
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from integration.gateway.otlp import Receiver
from integration.services.workers import Site, until
from voxtrace_services.core.messages import TranslateRequest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from integration.services.workers import Worker
    from integration.translation.server import RedisServer

TRANSCRIPT = (
    b'{"text":"The house is red.","language":"en","language_probability":1,"duration":1,"segments":[]}'
)


@pytest.fixture(name="site")
def _site(rabbitmq: Any, tmp_path: Path) -> Iterator[Site]:
    """A place of work for one test, without workers yet."""
    site = Site(rabbitmq.url, tmp_path)
    with site.cleanup:
        yield site


def translate(site: Site, job: str) -> str:
    """Have a job's transcript translated, always the same one."""
    site.store.write(f"{job}/transcript.json", TRANSCRIPT)
    request = TranslateRequest(
        job_id=job, transcript=f"{job}/transcript.json", source_language="en", target_language="es"
    )
    site.send(request.outgoing("translate"))
    _, body = site.take("synthesize")
    assert json.loads(body)["job_id"] == job
    return str(json.loads(site.store.read(f"{job}/translation.json"))["text"])


def results(receiver: Receiver) -> dict[str, str]:
    """What the lookup of each job came to, as its process span has it."""
    told = {}
    for span in receiver.spans:
        said = attributes(span)
        if span.name == "process speech:translate":
            told[said["messaging.message.conversation_id"]] = said["speech.translation.cache.result"]
    return told


def attributes(span: Span) -> dict[str, str]:
    """The texts among a span's attributes."""
    return {each.key: each.value.string_value for each in span.attributes}


def events(worker: Worker) -> list[str]:
    """What a worker has logged of its cache."""
    return [line["event"] for line in worker.lines() if "translation cache" in line["event"]]


def test_workers_share_translations_and_do_without(site: Site, server: RedisServer) -> None:
    """A worker's translation is another's hit; without Redis jobs go on, and when it is back it is used."""
    with Receiver() as receiver:
        site.environment = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "VOXTRACE_TRANSLATION_CACHE_URL": server.url,
        }
        first = site.start("translation")
        translated = translate(site, "made")
        first.send(signal.SIGTERM)
        assert first.wait() == 0

        second = site.start("translation")
        assert translate(site, "found") == translated
        server.process.kill()
        assert translate(site, "away") == translate(site, "still-away") == translated
        assert events(second) == ["translation cache is away"]

        server.process.start()
        numbers = itertools.count()

        def back() -> bool:
            assert translate(site, f"later-{next(numbers)}") == translated
            return "translation cache is back" in events(second)

        until(back, within=30, every=0.5)
        assert translate(site, "found-again") == translated
        second.send(signal.SIGTERM)
        assert second.wait() == 0

    told = results(receiver)
    named = ("made", "found", "away", "still-away", "found-again")
    assert [told[job] for job in named] == ["miss", "hit", "unavailable", "unavailable", "hit"]
    worked = [span.name for span in receiver.spans if span.name.startswith("translate ")]
    assert len(worked) == sum(result != "hit" for result in told.values())
    lookups = [span for span in receiver.spans if span.name == "speech.cache.lookup"]
    assert len(lookups) == len(told)
    assert all(span.end_time_unix_nano - span.start_time_unix_nano < 10**9 for span in lookups)
    assert events(second) == ["translation cache is away", "translation cache is back"]
    assert "house" not in str(receiver.spans)
    assert "house" not in first.log.read_text() + second.log.read_text()
