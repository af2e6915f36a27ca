"""A process per variant, all alive at once, so that they can take turns."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from variants import Variant

if TYPE_CHECKING:
    from workload import Load

WORKER = Path(__file__).with_name("worker.py")


class Crew:
    """One worker for every variant, on one broker."""

    def __init__(self, url: str) -> None:
        self._workers = {
            variant: subprocess.Popen(
                [sys.executable, WORKER, variant, url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for variant in Variant
        }

    def __enter__(self) -> Self:
        """The workers are at work."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let them go home."""
        for worker in self._workers.values():
            with worker:  # closes its input, which ends it, and waits
                pass

    def cost(self, variant: Variant, load: Load) -> float:
        """CPU time in µs per message of one round."""
        return float(self._ask(variant, "cost", load))

    def attribution(self, variant: Variant, load: Load) -> dict[str, float]:
        """The share of each module in that time."""
        return dict(self._ask(variant, "attribution", load))

    def _ask(self, variant: Variant, what: str, load: Load) -> Any:
        """
        What a worker answers.

        Raises:
            RuntimeError: the worker died; its error stands above, on standard error.
        """
        worker = self._workers[variant]
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps((what, asdict(load))) + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        if not answer:
            raise RuntimeError(f"the {variant} worker died")
        return json.loads(answer)
