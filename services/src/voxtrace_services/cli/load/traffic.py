"""
The process that sends: locust's users, on gevent, kept out of the command's own process.

Reads the plan from the first line of its input, and stops when that input ends, with its parent or because
it was told to. Writes one line of JSON for each order begun and each order answered.
"""

from __future__ import annotations

# First of all: it patches what is imported after it.
import locust  # isort: skip

import json
import os
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from gevent.socket import wait_read
from locust.env import Environment
from locust.exception import StopUser

from voxtrace_services.cli.load.plan import Order, Plan
from voxtrace_services.cli.load.request import send

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What has begun when the time is over may still end.
_LAST_REQUESTS_SECONDS = 90


class Schedule:
    """Hands the orders out, each with the time that it is due: evenly apart, and never made up for."""

    def __init__(self, plan: Plan) -> None:
        self.gateway = plan.gateway
        self.exhausted = Event()
        self._orders: Iterator[Order] = plan.orders()
        self._apart = 1 / plan.rate
        self._next = time.monotonic()

    def pause(self) -> float:
        """Take the next turn, and return the seconds until it comes."""
        now = time.monotonic()
        turn = max(now, self._next)
        self._next = turn + self._apart
        return turn - now

    def take(self) -> Order:
        """
        Return what is to be sent now.

        Raises:
            StopUser: nothing is left.
        """
        try:
            return next(self._orders)
        except StopIteration:
            self.exhausted.set()
            raise StopUser from None


def uploader(schedule: Schedule) -> type[locust.User]:
    """Return the user that sends what the schedule has."""

    class Uploader(locust.User):
        def on_start(self) -> None:
            # Not a sleep of our own: who only waits is not waited for at the end.
            self.wait()  # type: ignore[no-untyped-call]  # locust's, without annotations

        def wait_time(self) -> float:
            return schedule.pause()

        @locust.task
        def upload(self) -> None:
            order = schedule.take()
            tell(event="sent", number=order.number, kind=order.kind, fault=order.fault, clip=order.clip)
            answer = send(schedule.gateway, order)
            tell(event="answered", number=order.number, **asdict(answer))

    return Uploader


def tell(**line: Any) -> None:
    """Tell the parent something."""
    print(json.dumps({**line, "at": time.time()}, default=asdict), flush=True)


def run(plan: Plan) -> None:
    """Send until the orders, the time or our input is at its end."""
    schedule = Schedule(plan)
    environment = Environment(
        user_classes=[uploader(schedule)], stop_timeout=_LAST_REQUESTS_SECONDS, catch_exceptions=False
    )
    runner = environment.create_local_runner()
    told = gevent.spawn(_until_told)
    runner.start(plan.users, spawn_rate=plan.users)
    gevent.wait([schedule.exhausted, told], timeout=plan.seconds, count=1)
    runner.quit()


def _until_told() -> None:
    """Wait for the end of our input: nothing more is written to it."""
    wait_read(sys.stdin.fileno())


if __name__ == "__main__":
    # Unbuffered, so that no byte beyond the first line is taken from the pipe.
    with os.fdopen(os.dup(0), "rb", buffering=0) as given:
        run(Plan.from_json(given.readline().decode()))
