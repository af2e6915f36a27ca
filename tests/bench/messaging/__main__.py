"""
What tracing costs: CPU time per message that Voxtrace adds to pika, beside the official instrumentation.

    python tests/bench/messaging [--rounds N] [--messages N] [--profile] [--json] [--url AMQP]

Every variant lives in a process of its own. They take turns in each round, in random order, so that whatever
else the machine does falls on all alike; each figure compares variants within a round first. It ends with
status 1 where a bar is missed, or a cost grows with threads or consumers.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from crew import Crew
from report import GROWING, PROFILED, Report
from variants import Variant
from workload import Load

from voxtrace_services.native import Ports, RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from comparison import Round

THREADS = 16
CONSUMERS = 50
VARIANTS = tuple(Variant)


def main() -> int:
    """Measure on a private broker, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--messages", type=int, default=480, help=f"in a round, at least {THREADS}")
    parser.add_argument("--profile", action="store_true", help="say whose code the time goes into as well")
    parser.add_argument("--json", action="store_true", help="all figures as one JSON document")
    parser.add_argument("--url", help="a broker that runs already; by default a private one is started")
    arguments = parser.parse_args()
    with nullcontext(arguments.url) if arguments.url else _private_broker() as url:
        report = measure(url, arguments.rounds, arguments.messages, profile=arguments.profile)
    found = [json.dumps(report.document(), indent=2)] if arguments.json else report.lines()
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 0 if report.within else 1


def measure(url: str, rounds: int, messages: int, *, profile: bool) -> Report:
    """Let the variants take turns on the broker at `url`."""
    plain = Load(messages=messages)
    growing = {
        f"{THREADS} threads": Load(messages=messages, threads=THREADS),
        f"{CONSUMERS} consumers on a channel": Load(messages=messages, consumers=CONSUMERS),
    }
    report = Report(messages=messages, plain=[], grown={what: [] for what in growing}, shares={})
    with Crew(url) as crew:
        _round(crew, plain, VARIANTS)  # imports, caches and connections of the first time
        for number in range(rounds):
            report.plain.append(_round(crew, plain, VARIANTS))
            for what, load in growing.items():
                report.grown[what].append(_round(crew, load, (Variant.NONE, *GROWING)))
            sys.stderr.write(f"\rround {number + 1} of {rounds}")
        sys.stderr.write("\n")
        if profile:
            report.shares.update({variant: crew.attribution(variant, plain) for variant in PROFILED})
    return report


@contextmanager
def _private_broker() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as data:
        broker = RabbitMQ(Path(data), ports=Ports.free())
        broker.start()
        try:
            yield broker.url
        finally:
            broker.stop()


def _round(crew: Crew, load: Load, variants: Collection[Variant]) -> Round:
    order = random.sample(list(variants), len(variants))
    return {variant: crew.cost(variant, load) for variant in order}


if __name__ == "__main__":
    sys.exit(main())
