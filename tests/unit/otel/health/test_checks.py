"""Checks that are slow, hang, or run in the background."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from voxtrace.errors import HealthCheckError
from voxtrace.health import Check, Health


class Gate:
    """A check that waits at a gate, and counts."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = 0
        self.ended = 0

    def __call__(self) -> None:
        """Wait to be let through."""
        self.begun += 1
        assert self.open.wait(30)
        self.ended += 1


@pytest.fixture(name="gate")
def _gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()
    _until(lambda: not _threads())


def _until(happened: Callable[[], object], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "voxtrace-health-gate"]


def _gate_of(health: Health) -> dict[str, Any]:
    check: dict[str, Any] = health.report()["checks"]["gate"]
    return check


def test_a_slow_check_does_not_hold_the_report_up(gate: Gate) -> None:
    """A report is there within its patience; the check without a result yet is pending."""
    health = Health("asr", {"gate": Check(gate, timeout=30), "fast": dict}, patience=0.05)
    before = time.monotonic()
    report = health.report()
    assert time.monotonic() - before < 5
    assert report["status"] == "failing"
    assert report["checks"]["gate"]["status"] == "pending"
    assert report["checks"]["fast"]["status"] == "ok"


def test_the_last_result_is_reported_with_its_age(gate: Gate) -> None:
    """While a check is asked anew and takes its time, its last result is reported, older each time."""
    gate.open.set()
    health = Health("asr", {"gate": Check(gate, timeout=30)}, patience=0.05)
    _until(lambda: _gate_of(health)["status"] == "ok")
    gate.open.clear()
    first = _gate_of(health)
    _until(lambda: _gate_of(health)["age_seconds"] > first["age_seconds"])
    assert _gate_of(health)["status"] == "ok"
    assert gate.begun == gate.ended + 1


def test_a_check_over_its_timeout_is_failing(gate: Gate) -> None:
    """A check that hangs past its timeout is failing as timed out, whatever it said before."""
    gate.open.set()
    health = Health("asr", {"gate": Check(gate, timeout=0.2)}, patience=0.1)
    _until(lambda: _gate_of(health)["status"] == "ok")
    gate.open.clear()
    _until(lambda: _gate_of(health)["status"] == "failing")
    assert _gate_of(health)["message"] == "timed out"


def test_no_thread_piles_up_behind_a_hung_check(gate: Gate) -> None:
    """However often a report is asked for, a check that hangs is called once, in one thread."""
    health = Health("asr", {"gate": Check(gate, timeout=0.01)}, patience=0.0)
    for _ in range(50):
        health.report()
    _until(lambda: gate.begun)
    assert (gate.begun, len(_threads())) == (1, 1)
    gate.open.set()
    _until(lambda: not _threads())


def test_a_check_that_came_back_late_has_timed_out(gate: Gate) -> None:
    """A result that took longer than the timeout is none: always slow is not sometimes well."""
    health = Health("asr", {"gate": Check(gate, timeout=0.05)}, patience=0.0)
    assert _gate_of(health)["status"] == "pending"
    _until(lambda: _gate_of(health)["message"] == "timed out")
    gate.open.set()
    _until(lambda: gate.ended)
    _until(lambda: not _threads())
    health.close()
    late = Health("asr", {"gate": Check(lambda: time.sleep(0.1), timeout=0.05)}).report()["checks"]["gate"]
    assert (late["status"], late["message"]) == ("failing", "timed out")


def test_an_interval_runs_without_being_asked(gate: Gate) -> None:
    """A check with an interval runs again and again once the health has started, and not after its close."""
    gate.open.set()
    health = Health("asr", {"gate": Check(gate, interval=0.01)})
    health.start()
    _until(lambda: gate.ended > 3)
    assert len(_threads()) == 1
    health.close()
    _until(lambda: not _threads())


def test_an_interval_is_not_asked_more_often(gate: Gate) -> None:
    """Reports between two runs share the last result."""
    gate.open.set()
    health = Health("asr", {"gate": Check(gate, interval=600)})
    for _ in range(5):
        assert _gate_of(health)["status"] == "ok"
    assert gate.begun == 1
    health.close()


def test_a_hung_interval_times_out(gate: Gate) -> None:
    """A background check that hangs is failing at its timeout, in its one thread."""
    health = Health("asr", {"gate": Check(gate, interval=0.01, timeout=0.05)}, patience=0.0)
    _until(lambda: _gate_of(health).get("message") == "timed out")
    assert (gate.begun, len(_threads())) == (1, 1)
    health.close()


def test_details_are_published() -> None:
    """What a check returns is published as its details; an error of ours brings its own."""

    def full() -> None:
        raise HealthCheckError("nearly full", free=3)

    checks = Health("asr", {"queue": lambda: {"length": 7}, "disk": full}).report()["checks"]
    assert checks["queue"]["details"] == {"length": 7}
    assert (checks["disk"]["message"], checks["disk"]["details"]) == ("nearly full", {"free": 3})


@pytest.mark.parametrize("error", [SystemExit("secret"), KeyboardInterrupt("secret"), OSError("secret")])
def test_no_exception_escapes(error: BaseException) -> None:
    """Whatever a check raises, it is failing by the exception's type; its words are not published."""

    def check() -> None:
        raise error

    said = Health("asr", {"x": check}).report()["checks"]["x"]
    assert (said["status"], said["message"]) == ("failing", type(error).__name__)
    assert "secret" not in str(said)


def test_a_check_asked_anew_is_fresh() -> None:
    """Without an interval each report has a result of its own."""
    well = True

    def check() -> None:
        if not well:
            raise HealthCheckError("not any more")

    health = Health("asr", {"x": check})
    for _ in range(20):
        well = True
        assert health.report()["status"] == "ok"
        well = False
        assert health.report()["status"] == "failing"
