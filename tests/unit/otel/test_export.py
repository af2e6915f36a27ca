"""Tests of `voxtrace.export`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from voxtrace.export import LocalRootSpanProcessor


class Sink(SpanProcessor):
    """What comes after: it notes what it is given."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.flushed = 0
        self.stopped = 0

    def on_end(self, span: ReadableSpan) -> None:  # noqa: D102  # the SDK's hook
        self.ended.append(span.name)

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: D102  # the SDK's hook
        self.flushed += 1
        return True

    def shutdown(self) -> None:  # noqa: D102  # the SDK's hook
        self.stopped += 1


@pytest.fixture(name="sink")
def _sink() -> Sink:
    return Sink()


@pytest.fixture(name="holder")
def _holder(sink: Sink) -> LocalRootSpanProcessor:
    return LocalRootSpanProcessor(sink, max_spans=6, max_spans_per_root=4)


@pytest.fixture(name="tracer")
def _tracer(holder: LocalRootSpanProcessor) -> Iterator[trace.Tracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(holder)
    yield provider.get_tracer("test")
    assert holder._works == {}
    assert holder._open == {}
    assert holder.held == 0


def _under(parent: trace.Span) -> trace.Context:
    return trace.set_span_in_context(parent)


def test_children_wait_for_their_root(tracer: trace.Tracer, sink: Sink) -> None:
    """Nothing is passed on before the root ends; then all is, children first."""
    with tracer.start_as_current_span("root"):
        with tracer.start_as_current_span("child"), tracer.start_as_current_span("grandchild"):
            pass
        assert sink.ended == []
    assert sink.ended == ["grandchild", "child", "root"]


def test_a_span_under_a_remote_parent_is_a_local_root(tracer: trace.Tracer, sink: Sink) -> None:
    """Two spans of one trace with remote parents do not wait for each other."""
    remote = NonRecordingSpan(SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1)))
    process = tracer.start_span("process", _under(remote))
    tracer.start_span("step", _under(process)).end()
    tracer.start_span("wait", _under(remote)).end()
    assert sink.ended == ["wait"]
    process.end()
    assert sink.ended == ["wait", "step", "process"]


def test_a_stored_context_of_this_process_is_remote_too(tracer: trace.Tracer, sink: Sink) -> None:
    """What continues a request through an outbox does not wait for the request, though it is still open."""
    request = tracer.start_span("request")
    ids = request.get_span_context()
    stored = SpanContext(ids.trace_id, ids.span_id, is_remote=True, trace_flags=TraceFlags(1))
    tracer.start_span("publish", _under(NonRecordingSpan(stored))).end()
    assert sink.ended == ["publish"]
    request.end()


def test_what_ends_after_its_root_passes_through(tracer: trace.Tracer, sink: Sink) -> None:
    """A child that outlives its root is passed on when it ends."""
    root = tracer.start_span("root")
    late = tracer.start_span("late", _under(root))
    root.end()
    assert sink.ended == ["root"]
    late.end()
    assert sink.ended == ["root", "late"]


def test_what_starts_after_its_root_is_a_root(tracer: trace.Tracer, sink: Sink) -> None:
    """A background task under a finished request has its own children wait for it."""
    request = tracer.start_span("request")
    request.end()
    task = tracer.start_span("task", _under(request))
    tracer.start_span("step", _under(task)).end()
    assert sink.ended == ["request"]
    task.end()
    assert sink.ended == ["request", "step", "task"]


def test_one_root_that_holds_too_much_is_passed_on(tracer: trace.Tracer, sink: Sink) -> None:
    """At its own limit a root's spans go on early, each once, and none is lost."""
    with tracer.start_as_current_span("root"):
        for number in range(4):
            assert sink.ended == []
            tracer.start_span(str(number)).end()
        assert sink.ended == ["0", "1", "2", "3"]
        for number in range(4, 10):
            tracer.start_span(str(number)).end()
        assert sink.ended == [str(number) for number in range(10)]
    assert sink.ended[-1] == "root"


def test_a_process_that_holds_too_much_passes_on_its_oldest(
    tracer: trace.Tracer, sink: Sink, holder: LocalRootSpanProcessor
) -> None:
    """At the limit of the process the oldest root's spans go on early."""
    roots = [tracer.start_span(f"root {number}") for number in range(3)]
    for root in roots:
        for _ in range(2):
            tracer.start_span(f"child of {root.name}", _under(root)).end()  # type: ignore[attr-defined]  # an SDK span
    assert sink.ended == ["child of root 0"] * 2
    assert holder.held == 4
    for root in roots:
        root.end()
    assert len(sink.ended) == 9


@pytest.mark.parametrize("call", ["force_flush", "shutdown"])
def test_flush_and_shutdown_release_what_has_finished(
    tracer: trace.Tracer, sink: Sink, holder: LocalRootSpanProcessor, call: str
) -> None:
    """Under an open root the finished children are released, and the next processor is told."""
    root = tracer.start_span("root")
    tracer.start_span("child", _under(root)).end()
    getattr(holder, call)()
    assert sink.ended == ["child"]
    assert (sink.flushed, sink.stopped) == ((1, 0) if call == "force_flush" else (0, 1))
    root.end()


def test_a_lock_that_is_held_does_not_stop_a_flush(
    tracer: trace.Tracer, sink: Sink, holder: LocalRootSpanProcessor
) -> None:
    """A signal handler may interrupt the lines that hold the lock; the flush goes on without it."""
    root = tracer.start_span("root")
    tracer.start_span("child", _under(root)).end()

    class Taken:
        def acquire(self, *, timeout: float) -> bool:
            return False

    lock, holder._lock = holder._lock, Taken()  # type: ignore[assignment]  # a lock in foreign hands
    holder.force_flush()
    holder._lock = lock
    assert sink.ended == ["child"]
    root.end()


def test_a_forked_child_starts_empty(tracer: trace.Tracer, holder: LocalRootSpanProcessor) -> None:
    """What the parent holds is the parent's to send: a fork does not double it."""
    root = tracer.start_span("root")
    tracer.start_span("child", _under(root)).end()
    pid = os.fork()
    if pid == 0:
        os._exit(holder.held)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert holder.held == 1
    root.end()
