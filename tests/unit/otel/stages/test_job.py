"""Jobs, counted and timed from end to end."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from voxtrace.stages import Jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voxtrace.testing import CapturedTelemetry


def counted(telemetry: CapturedTelemetry) -> dict[str, int]:
    """The jobs by state, as collected now."""
    points = telemetry.metrics().get("speech.jobs", [])
    return {point["attributes"]["speech.job.state"]: point["value"] for point in points}


def test_jobs_are_counted_when_metrics_are_collected(telemetry: CapturedTelemetry) -> None:
    """Each collection asks anew, and a dropped object is asked no more."""
    states = {"running": 2, "failed": 0}
    jobs = Jobs(lambda: states, meter_provider=telemetry.meter_provider)
    assert counted(telemetry) == {"running": 2, "failed": 0}
    states["running"] = 1
    assert counted(telemetry) == {"running": 1, "failed": 0}
    del jobs
    gc.collect()
    assert counted(telemetry) == {}


def test_a_count_that_fails_fails_nothing_else(telemetry: CapturedTelemetry) -> None:
    """Where the database does not answer, the other metrics are collected all the same."""

    def count() -> Mapping[str, int]:
        raise OSError

    jobs = Jobs(count, meter_provider=telemetry.meter_provider)
    jobs.finished("completed", 2.0)
    assert counted(telemetry) == {}
    assert telemetry.metrics()["speech.job.duration"][0]["sum"] == 2.0


def test_the_oldest_job_of_each_state_has_its_age(telemetry: CapturedTelemetry) -> None:
    """Each collection asks for the ages anew; a database that does not answer costs nothing else."""
    answers: list[dict[str, float]] = [{"accepted": 0.0, "running": 61.5}]
    jobs = Jobs(lambda: {"running": 1}, age=answers.pop, meter_provider=telemetry.meter_provider)
    found = telemetry.metrics()["speech.job.age"]
    assert {point["attributes"]["speech.job.state"]: point["value"] for point in found} == {
        "accepted": 0.0,
        "running": 61.5,
    }
    assert "speech.job.age" not in telemetry.metrics()
    assert counted(telemetry) == {"running": 1}
    jobs.finished("completed", 1.0)


def test_an_end_is_measured_by_its_outcome(telemetry: CapturedTelemetry) -> None:
    """A failed job tells its stage; a clock that was set back makes no time negative."""
    jobs = Jobs(dict, meter_provider=telemetry.meter_provider)
    jobs.finished("completed", 2.0)
    jobs.finished("completed", -1.0)
    jobs.finished("failed", 3.0, stage="translation")
    found = {
        tuple(sorted(point["attributes"].items())): (point["count"], point["sum"])
        for point in telemetry.metrics()["speech.job.duration"]
    }
    assert found == {
        (("speech.job.outcome", "completed"),): (2, 2.0),
        (("speech.job.failed_stage", "translation"), ("speech.job.outcome", "failed")): (1, 3.0),
    }
