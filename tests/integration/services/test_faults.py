"""Faults in real workers with real engines: they look, in traces and to users, like what they stand for."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from integration.gateway.otlp import Receiver
from integration.services.workers import RECORDINGS, Site, Worker, until
from voxtrace_services.core.broker import Outgoing
from voxtrace_services.core.faults import Board, Name, Wish
from voxtrace_services.core.messages import SynthesizeRequest, TranscribeRequest, TranslateRequest

TRANSCRIPT = b'{"text":"hello","language":"en","language_probability":1,"duration":1,"segments":[]}'
TRANSLATION = b'{"text":"hola","source_language":"en","target_language":"es"}'
SENT = {
    "asr": TranscribeRequest(job_id="job", audio="job/audio", target_language="es").outgoing("transcribe"),
    "translation": TranslateRequest(
        job_id="job", transcript="job/given.json", source_language="en", target_language="es"
    ).outgoing("translate"),
    "synthesis": SynthesizeRequest(job_id="job", translation="job/said.json", language="es").outgoing(
        "synthesize"
    ),
}
#: What each engine's work is called.
ENGINES = {"asr": "speech_to_text tiny.en", "translation": "translate eng-spa", "synthesis": "text_to_speech"}


@pytest.fixture(name="receiver")
def _receiver(site: Site) -> Iterator[Receiver]:
    """Takes the workers' spans."""
    with Receiver() as receiver:
        site.environment = {
            "VOXTRACE_FAULTS": "on",
            # What is found there asks no engine.
            "VOXTRACE_TRANSLATION_CACHE_URL": "none",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        }
        yield receiver


@pytest.fixture(name="given", autouse=True)
def _given(site: Site) -> None:
    """What the stages work on."""
    site.store.write("job/audio", (RECORDINGS / "clone-test.wav").read_bytes())
    site.store.write("job/given.json", TRANSCRIPT)
    site.store.write("job/said.json", TRANSLATION)


def _struck(site: Site, service: str, name: Name, /, **wish: Any) -> Worker:
    """A worker that has a fault when its message comes; it has said so."""
    Board(site.store).switch_on(name, Wish.model_validate(wish))
    worker = site.start(service)
    assert any(line["event"] == "fault on" and line["level"] == "warning" for line in worker.lines())
    assert [fault["name"] for fault in worker.health()["faults"]] == [name]
    site.send(SENT[service])
    return worker


def _again(message: Outgoing) -> Outgoing:
    """The same of another job, of which nothing is done yet."""
    return replace(
        message, body=message.body.replace(b'"job_id":"job"', b'"job_id":"next"'), correlation_id="next"
    )


def _stopped(worker: Worker) -> None:
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0


@pytest.mark.parametrize(
    ("service", "following"), [("asr", "translate"), ("translation", "synthesize"), ("synthesis", "events")]
)
def test_an_engine_is_struck_in_its_span(
    site: Site, receiver: Receiver, service: str, following: str
) -> None:
    """A slow engine's own span is as long as was wished for; each of a failing one ends in an error."""
    board, worker = Board(site.store), _struck(site, service, "slow-engine", seconds=2)
    site.take(following)
    board.switch_off()
    board.switch_on("failing-engine", Wish())
    until(lambda: [fault["name"] for fault in worker.health()["faults"]] == ["failing-engine"])
    site.send(_again(SENT[service]))
    event = site.event()
    assert (event["outcome"], event["reason"]) == ("failed", "attempts_exhausted")
    _stopped(worker)
    slow, *failed = _spans(receiver, ENGINES[service])
    assert slow.end_time_unix_nano - slow.start_time_unix_nano >= 2e9
    assert slow.status.code == Status.STATUS_CODE_UNSET
    assert [span.status.code for span in failed] == [Status.STATUS_CODE_ERROR] * 2
    process = _spans(receiver, "process speech:")
    assert [_faults(span) for span in process] == [["slow-engine"], ["failing-engine"], ["failing-engine"]]


def test_broken_audio_is_refused(site: Site, receiver: Receiver) -> None:
    """The recording cannot be decoded, so the job fails at once with the reason that a bad file has."""
    worker = _struck(site, "asr", "broken-audio")
    assert site.event()["reason"] == "audio_undecodable"
    _stopped(worker)
    (engine,) = _spans(receiver, "speech_to_text")
    assert engine.status.code == Status.STATUS_CODE_ERROR


def test_a_poison_message_is_dead(site: Site, receiver: Receiver) -> None:
    """What the asr sends is thrown out by the translation, with a reason."""
    asr = _struck(site, "asr", "poison-message", service="asr")
    translation = site.start("translation")
    headers, _ = site.take("speech.dead")
    assert headers["x-reason"] == "not_json"
    _stopped(asr)
    _stopped(translation)
    assert [_faults(span) for span in _spans(receiver, "process speech:transcribe")] == [["poison-message"]]


def test_a_returned_message_is_delivered_again(site: Site, receiver: Receiver) -> None:
    """The broker delivers it anew until it is held to kill its workers; each delivery is a span."""
    worker = _struck(site, "asr", "requeue")
    headers, _ = site.take("speech.dead")
    assert headers["x-reason"] == "worker_lost"
    _stopped(worker)
    assert len(_spans(receiver, "process speech:transcribe")) == 5


def test_a_stopped_consumer_comes_back(site: Site, receiver: Receiver) -> None:
    """A worker that is well takes nothing while the fault is on, then what has waited."""
    worker = site.start("translation")
    Board(site.store).switch_on("stopped-consumer", Wish())
    until(lambda: any(line["event"] == "fault on" for line in worker.lines()))
    until(lambda: not _consumers(site))
    site.send(SENT["translation"])
    assert worker.health()["status"] == "ok"
    assert site.waiting("translate") == 1
    Board(site.store).switch_off()
    site.take("synthesize")


def test_off_nothing_happens(site: Site) -> None:
    """A worker without the setting does its work whatever is on the list, and says nothing of faults."""
    Board(site.store).switch_on("failing-engine", Wish())
    worker = site.start("translation")
    site.send(SENT["translation"])
    site.take("synthesize")
    assert "fault" not in json.dumps([worker.health(), worker.lines()])


def _spans(receiver: Receiver, name: str) -> list[Span]:
    return [span for span in receiver.spans if span.name.startswith(name)]


def _faults(span: Span) -> list[str]:
    return [
        one.value.string_value
        for event in span.events
        if event.name == "voxtrace.fault.struck"
        for one in event.attributes
    ]


def _consumers(site: Site) -> int:
    with site.channel() as channel:
        return int(channel.queue_declare("translate", passive=True).method.consumer_count)
