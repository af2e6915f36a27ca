"""Which work is sampled, and as what it is shown."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial

import pytest

from unit.services.core.profiling.labour import Ward, at_work, idle
from voxtrace.profile import Subject
from voxtrace.testing import CapturedTelemetry
from voxtrace_services.core.profiling import Profile, Sampler, sampler
from voxtrace_services.core.profiling.profile import new_id
from voxtrace_services.core.profiling.recording import Recording


def _text(recording: Recording) -> str:
    return Profile.of(recording, profile_id=new_id(), service="test").text


def _recorded(sampler: Sampler, seconds: float = 0.2) -> Recording:
    return sampler.record("a test", threading.Event(), seconds=seconds)


def test_work_that_had_begun_is_sampled() -> None:
    """Work that began before the profile and ends after it is seen, by function and class."""
    sampler = Sampler()
    with at_work(sampler.covered(Ward().toil)):
        recording = _recorded(sampler)
    text = _text(recording)
    assert recording.samples > 3
    assert "Ward.toil" in text
    assert "core/profiling/labour.py" in text


def test_a_profile_of_several_works_shows_each() -> None:
    """All covered threads are sampled; a thread that nobody covers is not."""
    sampler = Sampler()
    covered = [sampler.covered(Ward().toil), sampler.covered(idle)]
    with at_work(covered[0]), at_work(covered[1]), at_work(_uncovered):
        text = _text(_recorded(sampler))
    assert "Ward.toil" in text
    assert "idle" in text
    assert "_uncovered" not in text


def _uncovered(stop: threading.Event) -> None:
    stop.wait(60)


def test_without_work_there_are_no_samples() -> None:
    """A worker that waits for messages has nothing to show."""
    recording = _recorded(Sampler(), 0.05)
    assert recording.samples == 0
    assert "No samples were recorded" in _text(recording)


def test_work_that_ended_is_forgotten() -> None:
    """Covering leaves nothing behind, whether the work came to an end or failed."""
    sampler = Sampler()

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        sampler.covered(fail)()
    assert sampler.covered(lambda: 7)() == 7
    assert _recorded(sampler, 0.02).samples == 0


def test_the_times_add_up() -> None:
    """One busy thread's samples together last as long as the profile; equal ones are kept once."""
    sampler = Sampler()
    with at_work(sampler.covered(idle)):
        session = _recorded(sampler, 0.3).session()
    total = sum(seconds for _, seconds in session.frame_records)
    assert total == pytest.approx(session.duration, rel=0.1)
    assert len(session.frame_records) < session.sample_count


def test_a_profile_ends_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop ends a profile before its time, and the longest there may be ends it in any case."""
    stop = threading.Event()
    stop.set()
    before = time.monotonic()
    Sampler().record("a test", stop, seconds=60)
    monkeypatch.setattr(sampler, "LONGEST_SECONDS", 0.05)
    Sampler().record("a test", threading.Event(), seconds=3600)
    assert time.monotonic() - before < 20


def test_each_span_is_told_once(telemetry: CapturedTelemetry) -> None:
    """The span of each work that was sampled is reported once, however many samples it is in."""
    sampler = Sampler()
    seen: list[Subject] = []
    with telemetry.tracer("test").start_as_current_span("process"), sampler.covering():
        taken = threading.Thread(
            target=partial(sampler.record, "a test", threading.Event(), seconds=0.2, seen=seen.append)
        )
        taken.start()
        taken.join()
    assert [one.trace_id for one in seen] == ["00000000000000000000000000000001"]


async def test_a_task_is_told_from_others_on_its_loop() -> None:
    """Of an event loop, what it does in the covered task is sampled and what it does for others is not."""
    sampler, stop = Sampler(), threading.Event()
    recording = asyncio.create_task(asyncio.to_thread(sampler.record, "a test", stop))

    async def other() -> None:
        for _ in range(30):
            _burn_elsewhere()
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    with sampler.covering_task():
        for _ in range(30):
            _burn_here()
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
    stop.set()
    await beside
    text = _text(await recording)
    assert "_burn_here" in text
    assert "[await]" in text
    assert "_burn_elsewhere" not in text


def _burn_here() -> None:
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        pass


def _burn_elsewhere() -> None:
    end = time.monotonic() + 0.01
    while time.monotonic() < end:
        pass


def test_the_pages_of_a_profile_need_nobody_else() -> None:
    """The page brings all that it shows; the traces that it covers are named in it and in the text."""
    sampler = Sampler()
    with at_work(sampler.covered(idle)):
        recording = _recorded(sampler, 0.05)
    profile = Profile.of(recording, profile_id=new_id(), service="asr", traces=("abc123",))
    assert "<link" not in profile.html
    assert "src=" not in profile.html.partition("<script>")[0]
    assert "abc123" in profile.html
    assert "abc123" in profile.text
