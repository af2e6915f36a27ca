"""Tests of how telemetry ends with its process."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Program, Sink

# The grace beyond the flush's own deadline: the interpreter's end on a busy machine.
GRACE = 5.0

HUNDRED_SPANS = """
import sys, time, voxtrace
from opentelemetry import trace, metrics
import logging
voxtrace.configure("ender")
tracer = trace.get_tracer("test")
metrics.get_meter("test").create_counter("jobs").add(1)
for number in range(100):
    with tracer.start_as_current_span(str(number)):
        pass
logging.getLogger().warning("one log line")
"""
AND_WAIT = "print('ready')\ntime.sleep(60)\n"


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise LookupError", 1),
        ("import threading; threading.Thread(target=time.sleep, args=(0.2,)).start()", 0),
    ],
    ids=["end", "exit", "exception", "thread"],
)
def test_an_end_delivers_everything(
    start: Callable[..., Program], sink: Sink, ending: str, status: int
) -> None:
    """However a process ends by itself, spans, metrics and logs are delivered; its status stays."""
    assert start(HUNDRED_SPANS + ending, sink.url).end()[0] == status
    assert len(sink.spans) == 100
    assert "jobs" in sink.metrics
    assert "one log line" in [record.body.string_value for record in sink.logs]


def test_sigterm_delivers_everything(start: Callable[..., Program], sink: Sink) -> None:
    """A process told to stop delivers what is queued, and dies of the signal all the same."""
    program = start(HUNDRED_SPANS + AND_WAIT, sink.url)
    assert program.line() == "ready"
    program.signal(signal.SIGTERM)
    assert program.end()[0] == -signal.SIGTERM
    assert len(sink.spans) == 100
    assert "jobs" in sink.metrics


def test_sigterm_releases_the_children_of_open_roots(start: Callable[..., Program], sink: Sink) -> None:
    """On a graceful stop what has finished is delivered, even under a root that has not."""
    code = HUNDRED_SPANS + (
        "with tracer.start_as_current_span('job'):\n"
        "    with tracer.start_as_current_span('finished step'): pass\n"
        "    print('ready'); time.sleep(60)\n"
    )
    program = start(code, sink.url)
    assert program.line() == "ready"
    program.signal(signal.SIGTERM)
    program.end()
    names = {span.name for span in sink.spans}
    assert "finished step" in names
    assert "job" not in names


def test_sigkill_leaves_no_orphans(
    start: Callable[..., Program], sink: Sink, eventually: Callable[..., None]
) -> None:
    """A process killed inside a job has delivered the jobs before it, and nothing of that one."""
    code = HUNDRED_SPANS + (
        "with tracer.start_as_current_span('job'):\n"
        "    with tracer.start_as_current_span('finished step'): pass\n"
        "    nowhere = trace.set_span_in_context(trace.INVALID_SPAN)\n"
        "    with tracer.start_as_current_span('after', context=nowhere): pass\n"
        "    print('ready'); time.sleep(60)\n"
    )
    program = start(code, sink.url, OTEL_BSP_SCHEDULE_DELAY="50")
    assert program.line() == "ready"
    eventually(lambda: "after" in {span.name for span in sink.spans})
    program.signal(signal.SIGKILL)
    program.end()
    assert {span.name for span in sink.spans} == {str(number) for number in range(100)} | {"after"}


def test_the_applications_own_handler_is_left_alone(start: Callable[..., Program], sink: Sink) -> None:
    """Where the application handles SIGTERM itself, its handler runs, and its exit delivers."""
    code = (
        "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        + HUNDRED_SPANS
        + AND_WAIT
    )
    program = start(code, sink.url)
    assert program.line() == "ready"
    program.signal(signal.SIGTERM)
    assert program.end()[0] == 7
    assert len(sink.spans) == 100


def test_a_handler_set_later_wins(start: Callable[..., Program], sink: Sink) -> None:
    """A handler that the application sets after us replaces ours, and its exit delivers."""
    code = HUNDRED_SPANS + "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n" + AND_WAIT
    program = start(code, sink.url)
    assert program.line() == "ready"
    program.signal(signal.SIGTERM)
    assert program.end()[0] == 7
    assert len(sink.spans) == 100


def test_set_up_in_a_thread_works_without_a_handler(start: Callable[..., Program], sink: Sink) -> None:
    """Python allows handlers in the main thread alone; elsewhere set-up does without."""
    code = (
        "import signal, threading, voxtrace\n"
        "thread = threading.Thread(target=voxtrace.configure, args=('threaded',))\n"
        "thread.start(); thread.join()\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n" + HUNDRED_SPANS
    )
    assert start(code, sink.url).end()[0] == 0
    assert len(sink.spans) == 100


@pytest.mark.parametrize("ending", ["end", "sigterm"])
@pytest.mark.parametrize("collector", ["closed_port", "silent_port"])
def test_no_collector_holds_up_the_end(
    start: Callable[..., Program], request: pytest.FixtureRequest, collector: str, ending: str
) -> None:
    """With the Collector away or hanging, the process ends when its flush time is over."""
    endpoint = request.getfixturevalue(collector)
    code = HUNDRED_SPANS + ("print('ready')\n" if ending == "end" else AND_WAIT)
    program = start(code, endpoint, VOXTRACE_FLUSH_TIMEOUT="1")
    assert program.line() == "ready"
    if ending == "sigterm":
        program.signal(signal.SIGTERM)
    status, seconds = program.end()
    assert status == (0 if ending == "end" else -signal.SIGTERM)
    assert seconds < 1 + GRACE


def test_a_second_sigterm_is_obeyed_at_once(start: Callable[..., Program], silent_port: str) -> None:
    """Who does not want to wait for the flush sends the signal again."""
    code = HUNDRED_SPANS + (
        "import threading, voxtrace._crew as crew\n"
        "run = crew.Crew.run\n"
        "crew.Crew.run = lambda *args: (print('flushing'), run(*args))\n" + AND_WAIT
    )
    program = start(code, silent_port, VOXTRACE_FLUSH_TIMEOUT="30")
    assert program.line() == "ready"
    program.signal(signal.SIGTERM)
    assert program.line() == "flushing"
    program.signal(signal.SIGTERM)
    status, seconds = program.end()
    assert status == -signal.SIGTERM
    assert seconds < GRACE


def test_flush_and_shutdown_say_whether_they_were_done(
    start: Callable[..., Program], silent_port: str
) -> None:
    """Both return False at their deadline when nobody takes the data, and a second shutdown is harmless."""
    code = HUNDRED_SPANS + (
        "telemetry = voxtrace.configure()\n"
        "print(telemetry.force_flush(0.5), telemetry.shutdown(0.5), telemetry.shutdown(0.5))\n"
    )
    program = start(code, silent_port)
    assert program.line() == "False False True"
    assert program.end()[1] < GRACE


def test_a_flush_that_hangs_does_not_hold_up_the_end(start: Callable[..., Program], silent_port: str) -> None:
    """A flush that is still stuck at the end does not make the SDK wait for it once more."""
    code = HUNDRED_SPANS + "voxtrace.configure().force_flush(0.1)\nprint('ready')\n"
    program = start(code, silent_port, VOXTRACE_FLUSH_TIMEOUT="1")
    assert program.line() == "ready"
    status, seconds = program.end()
    assert status == 0
    assert seconds < 1 + GRACE


def test_a_forked_worker_delivers_its_own(start: Callable[..., Program], sink: Sink) -> None:
    """A worker process made by fork flushes what it made, and nothing of its parent's."""
    code = (
        "import multiprocessing\n"
        + HUNDRED_SPANS
        + (
            "def work():\n"
            "    with tracer.start_as_current_span('forked'): pass\n"
            "    assert voxtrace.configure().force_flush(10)\n"
            "worker = multiprocessing.get_context('fork').Process(target=work)\n"
            "worker.start(); worker.join(); sys.exit(worker.exitcode)\n"
        )
    )
    assert start(code, sink.url).end()[0] == 0
    assert len(sink.spans) == 101
    assert [span.name for span in sink.spans].count("forked") == 1
