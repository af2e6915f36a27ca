"""Tests of what the environment and OTEL_CONFIG_FILE say of the RabbitMQ instrumentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Program, Sink

    Start = Callable[..., Program]

# Sends one message to each of three queues and takes it, on a broker of its own and channels of pika's.
WORK = """
from opentelemetry.instrumentation.pika import PikaInstrumentor as Upstream
from voxtrace.messaging import PikaInstrumentor
from voxtrace.testing.broker import InMemoryBroker

print(PikaInstrumentor().is_instrumented_by_opentelemetry, Upstream().is_instrumented_by_opentelemetry)
broker = InMemoryBroker()
channel = broker.channel()
for queue in ("jobs", "edge", "health"):
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"")
    channel.basic_consume(queue, lambda *_: None, auto_ack=True)
broker.drain()
broker.close()
"""
UNDER = ("opentelemetry-instrument",)


@pytest.fixture
def file(tmp_path: Path, sink: Sink) -> Callable[[str], str]:
    """Write a configuration file that says this of instrumentations; give its path."""

    def file(python: str) -> str:
        path = tmp_path / "otel.yaml"
        path.write_text(
            f"""
file_format: "1.0"
tracer_provider:
  processors:
    - batch: {{schedule_delay: 60000, exporter: {{otlp_http: {{endpoint: "{sink.url}/v1/traces"}}}}}}
propagator: {{composite: [{{tracecontext: {{}}}}, {{baggage: {{}}}}]}}
instrumentation/development:
  python: {python}
"""
        )
        return str(path)

    return file


def _spans(sink: Sink) -> list[tuple[str, bool]]:
    """The names of the spans, and whether they are in a trace that began elsewhere."""
    return sorted((span.name, bool(span.parent_span_id)) for span in sink.spans)


def test_the_file_configures_the_instrumentation(
    start: Start, sink: Sink, file: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Its options hold, the environment wins over them, and one that is none costs the others nothing."""
    path = file("""
    voxtrace_pika:
      correlation: link
      wait_spans: true
      excluded_queues: [health]
      untrusted_queues: "edge, public.*"
      settle_spans: perhaps
      colour: blue
    """)
    program = start(WORK, sink.url, under=UNDER, OTEL_CONFIG_FILE=path, VOXTRACE_MESSAGING_WAIT_SPANS="false")
    assert program.line() == "True False"
    assert program.end()[0] == 0
    assert _spans(sink) == [
        ("process edge", False),
        ("process jobs", False),
        ("publish edge", False),
        ("publish jobs", False),
    ]
    reasons = {
        span.name: [attribute.value.string_value for link in span.links for attribute in link.attributes]
        for span in sink.spans
    }
    assert (reasons["process jobs"], reasons["process edge"]) == ([], ["untrusted_sender"])
    said = capfd.readouterr().err
    assert "the option settle_spans of voxtrace_pika in OTEL_CONFIG_FILE: say failures or all or none" in said
    assert "the option colour of voxtrace_pika in OTEL_CONFIG_FILE: there is no such option" in said


@pytest.mark.parametrize("name", ["voxtrace_pika", "pika"])
def test_the_file_switches_it_off(start: Start, sink: Sink, file: Callable[[str], str], name: str) -> None:
    """With enabled: false, under either name, neither instrumentation is loaded."""
    path = file(f"{{{name}: {{enabled: false}}}}")
    program = start(WORK, sink.url, under=UNDER, OTEL_CONFIG_FILE=path)
    assert program.line() == "False False"
    assert program.end()[0] == 0
    assert sink.spans == []


@pytest.mark.parametrize(
    ("choice", "loaded", "names"),
    [
        ("voxtrace", "True False", {"publish jobs", "wait jobs", "process jobs"}),
        ("upstream", "False True", {"jobs send", "jobs receive"}),
    ],
)
def test_one_of_two_is_loaded_whatever_the_file_names(  # noqa: PLR0917  # one more than five, all pytest's
    start: Start,
    sink: Sink,
    file: Callable[[str], str],
    choice: str,
    loaded: str,
    names: set[str],
) -> None:
    """VOXTRACE_PIKA chooses; the file may list both, and nothing is traced twice."""
    path = file("{pika: {}, voxtrace_pika: {wait_spans: true}}")
    program = start(WORK, sink.url, under=UNDER, OTEL_CONFIG_FILE=path, VOXTRACE_PIKA=choice)
    assert program.line() == loaded
    assert program.end()[0] == 0
    assert {span.name for span in sink.spans if "jobs" in span.name} == names


def test_without_a_file_upstream_can_be_chosen(start: Start, sink: Sink) -> None:
    """VOXTRACE_PIKA=upstream swaps back, to the official instrumentation and its names."""
    program = start(WORK, sink.url, under=UNDER, VOXTRACE_PIKA="upstream")
    assert program.line() == "False True"
    assert program.end()[0] == 0
    assert {span.name for span in sink.spans if "jobs" in span.name} == {"jobs send", "jobs receive"}


def test_the_environment_configures_the_instrumentation(start: Start, sink: Sink) -> None:
    """Without a file and without code, the variables decide."""
    program = start(
        WORK,
        sink.url,
        under=UNDER,
        VOXTRACE_MESSAGING_EXCLUDED_QUEUES="health,edge",
        VOXTRACE_MESSAGING_WAIT_SPANS="false",
    )
    assert program.line() == "True False"
    assert program.end()[0] == 0
    assert _spans(sink) == [("process jobs", True), ("publish jobs", False)]
