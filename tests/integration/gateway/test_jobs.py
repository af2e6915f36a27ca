"""The job repository: the same facts on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from voxtrace_services.core.messages import JobEvent
from voxtrace_services.gateway.jobs import (
    IdempotencyKeyTakenError,
    Job,
    Jobs,
    JobsUnavailableError,
    UnknownJobError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
CARRIER = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "baggage": "k=v"}


@pytest.fixture(name="jobs")
def _jobs(database_url: str) -> Iterator[Jobs]:
    with closing(Jobs(database_url)) as jobs:
        yield jobs


def job(number: int = 1, **columns: Any) -> Job:
    """Make a job that differs from others by its number."""
    facts = {"created_at": NOON + timedelta(seconds=number), "audio_duration": 1.5, "target_language": "es"}
    return Job(id=f"j{number}", **{**facts, **columns})


def add(jobs: Jobs, *made: Job) -> None:
    """Add jobs, each by itself."""
    for one in made:
        with jobs.adding(one):
            pass


def ids(found: Any) -> list[str]:
    """Give the ids of jobs, in their order."""
    return [one.id for one in found]


def test_a_job_comes_back_as_it_went(jobs: Jobs) -> None:
    """Every column survives, moments in UTC and to the microsecond."""
    east = timezone(timedelta(hours=5, minutes=30))
    facts = {
        "created_at": NOON.astimezone(east),
        "voice": "es-419",
        "idempotency_key": "k",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "context": CARRIER,
    }
    add(jobs, job(**facts))
    found = jobs.get("j1")
    assert {name: getattr(found, name) for name in facts} == {**facts, "created_at": NOON}
    assert found.created_at.tzinfo == UTC
    assert (found.audio_duration, found.target_language) == (1.5, "es")
    assert (found.sent_at, found.finished_at, found.outcome, found.failed_stage) == (None, None, None, None)


def test_jobs_survive_the_process(database_url: str) -> None:
    """What one repository wrote another reads: opening keeps what is there."""
    with closing(Jobs(database_url)) as jobs:
        add(jobs, job())
    with closing(Jobs(database_url)) as jobs:
        assert ids(jobs.recent(10)) == ["j1"]


def test_a_failed_block_leaves_no_job(jobs: Jobs) -> None:
    """What the block raises comes out unchanged; the row is not there and the key is free."""
    with pytest.raises(OSError, match="disk full"), jobs.adding(job(idempotency_key="k")):
        raise OSError("disk full")
    assert jobs.recent(10) == []
    add(jobs, job(2, idempotency_key="k"))


def test_nobody_sees_a_job_before_its_block_is_through(jobs: Jobs) -> None:
    """The relay must not send a request whose audio is not written yet."""
    with jobs.adding(job()):
        assert jobs.unsent(10) == []
    assert ids(jobs.unsent(10)) == ["j1"]


def test_a_key_belongs_to_one_job(jobs: Jobs) -> None:
    """The second job of a key is refused before its block runs; jobs without a key are not alike."""
    add(jobs, job(1, idempotency_key="k"), job(2), job(3))
    with pytest.raises(IdempotencyKeyTakenError), jobs.adding(job(4, idempotency_key="k")):
        pytest.fail("the block ran")
    assert ids(jobs.recent(10)) == ["j3", "j2", "j1"]


def test_a_job_is_found_by_its_key(jobs: Jobs) -> None:
    """A key leads to its job, and an unknown one nowhere."""
    add(jobs, job(idempotency_key="k"))
    found = jobs.find("k")
    assert found is not None
    assert found.id == "j1"
    assert jobs.find("K") is None


@pytest.mark.parametrize("first_fails", [False, True])
def test_the_second_of_a_key_waits_for_the_first(jobs: Jobs, *, first_fails: bool) -> None:
    """Of two requests at once the second is refused when the first is through; if that fails, it goes on."""
    inside, release = threading.Event(), threading.Event()

    def first() -> None:
        with jobs.adding(job(1, idempotency_key="k")):
            inside.set()
            assert release.wait(20)
            if first_fails:
                raise OSError("disk full")

    def second() -> str:
        try:
            add(jobs, job(2, idempotency_key="k"))
        except IdempotencyKeyTakenError:
            return "refused"
        return "added"

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert inside.wait(20)
        two = pool.submit(second)
        with pytest.raises(TimeoutError):
            two.result(timeout=0.3)
        release.set()
        assert two.result(timeout=20) == ("added" if first_fails else "refused")
        assert isinstance(one.exception(timeout=20), OSError) is first_fails


def test_writers_wait_for_each_other(jobs: Jobs) -> None:
    """Eight threads write at once and every row is there."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add(jobs, job(number)), range(40)))
        list(pool.map(lambda number: jobs.mark_sent(f"j{number}"), range(40)))
    assert len(jobs.recent(100)) == 40
    assert jobs.unsent(100) == []


def test_the_unsent_come_oldest_first(jobs: Jobs) -> None:
    """What was sent or has ended is not among them, and no more come than were asked for."""
    add(jobs, *(job(number) for number in (4, 2, 5, 1, 3)))
    jobs.mark_sent("j1")
    jobs.finish(JobEvent(job_id="j2", outcome="completed", stage="synthesis"))
    assert ids(jobs.unsent(2)) == ["j3", "j4"]
    assert jobs.get("j1").sent_at is not None


def test_sent_is_noted_once(jobs: Jobs) -> None:
    """The first moment stands."""
    add(jobs, job())
    jobs.mark_sent("j1")
    once = jobs.get("j1").sent_at
    jobs.mark_sent("j1")
    assert jobs.get("j1").sent_at == once


def test_the_first_ending_stands(jobs: Jobs) -> None:
    """A job ends once, whatever comes after."""
    add(jobs, job())
    long = "x" * 5000
    failed = JobEvent(job_id="j1", outcome="failed", stage="translation", reason=long, detail=long)
    took = jobs.finish(failed)
    assert jobs.finish(JobEvent(job_id="j1", outcome="completed", stage="synthesis")) is None
    found = jobs.get("j1")
    assert found.finished_at is not None
    assert took == found.finished_at - found.created_at
    assert (found.outcome, found.failed_stage) == ("failed", "translation")
    assert (found.failure_reason, found.failure_detail) == (long, long)


def test_a_completed_job_has_no_failure(jobs: Jobs) -> None:
    """Completion carries a stage too, which did not fail."""
    add(jobs, job())
    jobs.finish(JobEvent(job_id="j1", outcome="completed", stage="synthesis", reason="x", detail="y"))
    found = jobs.get("j1")
    assert found.finished_at is not None
    assert (found.outcome, found.failed_stage, found.failure_reason) == ("completed", None, None)


def test_jobs_are_counted_by_state(jobs: Jobs) -> None:
    """Each job is in one state: accepted until its request is sent, then running, and at last as it ended."""
    assert jobs.count() == {"accepted": 0, "running": 0, "completed": 0, "failed": 0}
    add(jobs, *(job(number) for number in range(6)))
    for number in (1, 2, 3):
        jobs.mark_sent(f"j{number}")
    jobs.finish(JobEvent(job_id="j3", outcome="completed", stage="synthesis"))
    # A job that failed before anything noted that it was sent.
    jobs.finish(JobEvent(job_id="j4", outcome="failed", stage="transcription"))
    assert jobs.count() == {"accepted": 2, "running": 2, "completed": 1, "failed": 1}


def test_the_oldest_unfinished_jobs_have_an_age(jobs: Jobs) -> None:
    """Of those that are not sent and of those that run it is the oldest that counts; of none, it is 0."""
    assert jobs.oldest() == {"accepted": 0.0, "running": 0.0}
    now = datetime.now(UTC)
    sent = [job(hours, created_at=now - timedelta(hours=hours), sent_at=now) for hours in (1, 2, 9)]
    add(
        jobs,
        *sent,
        job(4, created_at=now - timedelta(hours=8)),
        job(5, created_at=now - timedelta(minutes=5)),
    )
    jobs.finish(JobEvent(job_id="j9", outcome="completed", stage="synthesis"))
    jobs.finish(JobEvent(job_id="j4", outcome="failed", stage="transcription"))
    assert jobs.oldest() == {
        "accepted": pytest.approx(300, abs=60),
        "running": pytest.approx(7200, abs=60),
    }


def test_unknown_jobs(jobs: Jobs) -> None:
    """Neither read nor ended, but said to be unknown."""
    with pytest.raises(UnknownJobError):
        jobs.get("j1")
    with pytest.raises(UnknownJobError):
        jobs.finish(JobEvent(job_id="j1", outcome="completed", stage="synthesis"))


def test_the_check_asks_the_database(jobs: Jobs) -> None:
    """A database that answers is well."""
    jobs.check()


def test_the_check_fails_without_the_database(tmp_path: Path) -> None:
    """One that was there and is gone is not."""
    folder = tmp_path / "jobs"
    with closing(Jobs(f"sqlite:///{folder}/jobs.db")) as jobs:
        jobs.close()  # or a connection would outlive the file
        shutil.rmtree(folder)
        with pytest.raises(sa.exc.OperationalError):
            jobs.check()


def test_a_server_that_is_not_there() -> None:
    """A gateway without its database server does not start, and says where to look."""
    with pytest.raises(JobsUnavailableError, match="VOXTRACE_DATABASE_URL"):
        Jobs("postgresql+psycopg://tester@/postgres?host=/nonexistent&connect_timeout=2")
