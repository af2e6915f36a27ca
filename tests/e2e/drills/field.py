"""Where drills happen: a live stack, uploads that go through it, and who is told what."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from e2e.drills.receiver import Backend, Receiver
from voxtrace_services.native.stack import Stack

#: How much faster rules, and Alertmanager's groups, run than written.
SCALE = 40
#: The same for error budgets, which look back on days.
BUDGET_SCALE = 240

FIRE_SECONDS = 90.0
CLEAR_SECONDS = 120.0

_RECORDED = re.compile(r"\b[a-z_]+:[a-z0-9_:]+\b")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one alert in its drill: seconds, and what Prometheus saw where something was missing."""

    alert: str
    fired: float | None
    cleared: float | None
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Watcher:
    """A Prometheus, and who is told of its alerts."""

    url: str
    receiver: Receiver

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers."""
        answer = httpx.get(
            f"{self.url}/api/v1/query", params={"query": expression}, timeout=30, trust_env=False
        )
        answer.raise_for_status()
        result: list[dict[str, Any]] = answer.json()["data"]["result"]
        return result

    def until(self, expression: str, *, seconds: float = 60) -> bool:
        """Wait until an expression gives something."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if self.query(expression):
                    return True
            time.sleep(0.5)
        return False

    def evidence(self, alert: str) -> str:
        """What Prometheus says of an alert's rules, and of what they read."""
        try:
            answer = httpx.get(f"{self.url}/api/v1/rules", timeout=30, trust_env=False).json()
            rules = [
                rule for group in answer["data"]["groups"] for rule in group["rules"] if rule["name"] == alert
            ]
            lines = []
            for rule in rules:
                lines.append(f"{alert} is {rule['state']}; for {rule['duration']:g} s: {rule['query']}")
                lines += [f"  {one['labels']}: {one['state']} at {one['value']}" for one in rule["alerts"]]
                for name in sorted(set(_RECORDED.findall(rule["query"]))):
                    lines += [f"  {_shown(one)}" for one in self.query(name)[:8]] or [f"  {name}: nothing"]
            return "\n".join(lines)
        except (httpx.HTTPError, KeyError, ValueError) as error:
            return f"Prometheus does not say: {error!r}"


@dataclass(kw_only=True)
class Field:
    """The stack and everything around it that a drill may touch."""

    stack: Stack
    watcher_of_alerts: Watcher
    watcher_of_budgets: Watcher
    backend: Backend
    speech: Path
    overdriven: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(16, thread_name_prefix="upload")
        self.query = self.watcher_of_alerts.query
        self.until = self.watcher_of_alerts.until

    @property
    def prometheus_url(self) -> str:
        """Prometheus' base address."""
        return self.watcher_of_alerts.url

    @property
    def jaeger_url(self) -> str:
        """Jaeger's base address."""
        assert self.stack.jaeger_url is not None
        return self.stack.jaeger_url

    def watcher(self, *, budget: bool) -> Watcher:
        """Who is asked of an alert."""
        return self.watcher_of_budgets if budget else self.watcher_of_alerts

    def upload(self, clip: Path | None = None) -> str | None:
        """Send one recording; its id, or None where it is refused."""
        chosen = clip or self.speech
        with suppress(httpx.HTTPError):
            answer = httpx.post(
                f"{self.stack.gateway_url}/v1/uploads",
                files={"audio": (chosen.name, chosen.read_bytes())},
                timeout=60,
                trust_env=False,
            )
            if answer.is_success:
                return str(answer.json()["id"])
        return None

    def uploads(self, count: int, clip: Path | None = None) -> list[str | None]:
        """Send so many at once; their ids."""
        return list(self._pool.map(self.upload, [clip] * count))

    @contextmanager
    def traffic(self, every: float, clip: Path | None = None, *, most: int = 5) -> Iterator[None]:
        """
        Send one recording every so many seconds meanwhile.

        Args:
            every: Seconds between two.
            clip: The recording.
            most: None is sent while so many wait for an engine: a slow machine would keep them long.
        """
        over = threading.Event()

        def run() -> None:
            while not over.wait(every):
                if self.waiting() < most:
                    self._pool.submit(self.upload, clip)

        thread = threading.Thread(target=run, name="traffic", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def waiting(self) -> int:
        """How many messages wait for, or are in, the hands of the asr and the translation."""
        with suppress(httpx.HTTPError):
            for one in self.query('sum(rabbitmq_detailed_queue_messages{queue=~"transcribe|translate"})'):
                return int(float(one["value"][1]))
        return 0

    @contextmanager
    def fault(self, name: str, **wish: Any) -> Iterator[None]:
        """Have a fault on meanwhile."""
        address = f"{self.stack.gateway_url}/v1/faults/{name}"
        httpx.put(address, json=wish, timeout=30, trust_env=False).raise_for_status()
        try:
            yield
        finally:
            query = {"service": wish["service"]} if "service" in wish else {}
            httpx.delete(address, params=query, timeout=30, trust_env=False).raise_for_status()

    def close(self) -> None:
        """Send nothing more."""
        self._pool.shutdown(cancel_futures=True)


def _shown(sample: dict[str, Any]) -> str:
    labels = {name: value for name, value in sample["metric"].items() if name != "__name__"}
    return f"{sample['metric'].get('__name__')}{labels}: {sample['value'][1]}"
