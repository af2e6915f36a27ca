"""
What tracing costs a transcription: wall time, spans and memory that Voxtrace adds to faster-whisper.

    python tests/bench/speech [--rounds N] [--recording FILE] [--json]

One process has one model. A round transcribes the recording four times: plain, instrumented, instrumented,
plain, or the other way round; so whatever drifts meanwhile falls on both alike, and each figure compares
within a round. It ends with status 1 where the bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from comparison import Report, Round, Times
from memory import cost
from workload import RECORDING, Bench

WARM_UP = 2


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--recording", type=Path, default=RECORDING, help="what to transcribe")
    parser.add_argument("--json", action="store_true", help="all figures as one JSON document")
    arguments = parser.parse_args()
    report = measure(arguments.recording, arguments.rounds)
    found = [json.dumps(report.document(), indent=2)] if arguments.json else report.lines()
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 0 if report.within else 1


def measure(recording: Path, rounds: int) -> Report:
    """Let plain and instrumented take turns."""
    bench = Bench(recording)
    for _ in range(WARM_UP):  # caches, threads and the clock of the processor
        bench.times(instrumented=True)
        bench.times(instrumented=False)
    found = [one_round(bench, number, rounds) for number in range(rounds)]
    return Report(
        audio=bench.audio_seconds,
        rounds=found,
        spans=bench.spans_of_one(),
        memory=[cost(recording) for _ in range(min(rounds, 3))],
    )


def one_round(bench: Bench, number: int, rounds: int) -> Round:
    """Transcribe in one of the two mirrored orders."""
    first = number % 2 == 0
    times: dict[bool, list[Times]] = {True: [], False: []}
    for instrumented in (first, not first, not first, first):
        times[instrumented].append(bench.times(instrumented=instrumented))
    sys.stderr.write(f"\rround {number + 1} of {rounds}" + ("\n" if number + 1 == rounds else ""))
    return Round(plain=times[False], instrumented=times[True])


if __name__ == "__main__":
    sys.exit(main())
