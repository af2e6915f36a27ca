"""A drill: a fault, and the alerts that are to fire while it is on and to clear when it is off."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from e2e.drills.field import CLEAR_SECONDS, FIRE_SECONDS, Field, Outcome

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Expected:
    """An alert, told from others of its name by labels."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    fire_seconds: float = FIRE_SECONDS
    clear_seconds: float = CLEAR_SECONDS
    #: Whether its windows are those of error budgets, which take days: told by the Prometheus for these.
    budget: bool = False

    @property
    def key(self) -> str:
        """The name, with the reason where several rules share it."""
        reason = dict(self.labels).get("reason")
        return f"{self.name}/{reason}" if reason else self.name

    @property
    def wanted(self) -> dict[str, str]:
        """All labels that its notification has at least."""
        return {"alertname": self.name, **dict(self.labels)}


def expected(name: str, *, fire: float = FIRE_SECONDS, budget: bool = False, **labels: str) -> Expected:
    """An alert to expect."""
    return Expected(name, tuple(sorted(labels.items())), fire, budget=budget)


class Watch:
    """One run of a drill: waits for its alerts, and notes what became of each."""

    def __init__(self, field: Field, alerts: Sequence[Expected]) -> None:
        self._field = field
        self._alerts = {alert.key: alert for alert in alerts}
        self._began = time.monotonic()
        self._fired: dict[str, float] = {}
        self._problems: dict[str, str] = {}

    def begin(self) -> None:
        """Wait until none of the alerts is active: one that fires already would prove nothing."""
        for alert in self._alerts.values():
            deadline = time.monotonic() + alert.clear_seconds
            receiver = self._field.watcher(budget=alert.budget).receiver
            while receiver.active(alert.wanted) and time.monotonic() < deadline:
                time.sleep(0.5)
            if receiver.active(alert.wanted):
                self._problem(alert, "fires already, before its fault is on")
        self._began = time.monotonic()

    def fires(self, key: str) -> None:
        """Wait for one of the alerts to arrive."""
        alert = self._alerts[key]
        told = self._field.watcher(budget=alert.budget).receiver.wait(
            alert.wanted, status="firing", since=self._began, seconds=alert.fire_seconds
        )
        if told is None:
            self._problem(alert, f"did not arrive within {alert.fire_seconds:g} s")
        else:
            self._fired[key] = told.at
            _log.info("%s fired after %.1f s", key, told.at - self._began)

    def broke(self, error: Exception) -> None:
        """Note that the drill itself went wrong."""
        for alert in self._alerts.values():
            self._problem(alert, f"was not drilled to the end: {error!r}")

    def end(self) -> None:
        """Wait for those that fired to clear."""
        off = time.monotonic()
        for key, alert in self._alerts.items():
            if key not in self._fired:
                if key not in self._problems:
                    self._problem(alert, "was not waited for")
                self._note(key, cleared=None)
                continue
            told = self._field.watcher(budget=alert.budget).receiver.wait(
                alert.wanted, status="resolved", since=self._fired[key], seconds=alert.clear_seconds
            )
            if told is None:
                self._problem(alert, f"did not clear within {alert.clear_seconds:g} s")
            self._note(key, cleared=None if told is None else max(0.0, told.at - off))

    def _note(self, key: str, *, cleared: float | None) -> None:
        fired = self._fired.get(key)
        self._field.outcomes[key] = Outcome(
            alert=key,
            fired=None if fired is None else fired - self._began,
            cleared=cleared,
            problem=self._problems.get(key),
        )
        _log.info("%s", self._field.outcomes[key])

    def _problem(self, alert: Expected, what: str) -> None:
        evidence = self._field.watcher(budget=alert.budget).evidence(alert.name)
        self._problems.setdefault(alert.key, f"{alert.key} {what}.\n{evidence}")


Scene = Callable[[Field, Watch], None]


@dataclass(frozen=True)
class Drill:
    """A scene and the alerts that it is to bring about."""

    scene: Scene
    alerts: tuple[Expected, ...]
    #: Whether the next act begins before it is over.
    long: bool = False

    @property
    def fault(self) -> str:
        """What is done, in words."""
        return (self.scene.__doc__ or "").strip()


def drill(*alerts: Expected, long: bool = False) -> Callable[[Scene], Drill]:
    """Make a function that switches a fault on and off a drill; its docstring says which fault."""
    return lambda scene: Drill(scene, alerts, long=long)


def run(field: Field, acts: Sequence[Sequence[Drill]]) -> None:
    """Run the acts one after the other, the drills of an act side by side; clearing goes on meanwhile."""
    begun: list[_Performance] = []
    for act in acts:
        performances = [_Performance(field, one) for one in act]
        for performance in performances:
            if not performance.drill.long:
                performance.played.wait()
        begun += performances
    for performance in begun:
        performance.thread.join()


class _Performance:
    """A drill in a thread of its own, from its beginning until its alerts have cleared."""

    def __init__(self, field: Field, drill: Drill) -> None:
        self.drill = drill
        self.played = threading.Event()
        self._field = field
        self.thread = threading.Thread(target=self._run, name=drill.scene.__name__, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        watch = Watch(self._field, self.drill.alerts)
        try:
            watch.begin()
            self.drill.scene(self._field, watch)
        except Exception as error:  # noqa: BLE001  told by the tests of its alerts; the other drills go on
            watch.broke(error)
        finally:
            self.played.set()
        watch.end()
