"""What an application prints of its log records, it prints with telemetry as without."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import logging, sys
if "telemetry" in sys.argv:
    import voxtrace
    voxtrace.configure("program")
if "basic" in sys.argv:
    logging.basicConfig(format="%(levelname)s:%(message)s", level="INFO")
logging.getLogger("app").warning("heard")
logging.getLogger("app").info("asked for")
logging.getLogger("quiet").addHandler(logging.NullHandler())
logging.getLogger("quiet").error("silenced")
"""


def printed(*arguments: str) -> str:
    """What the program writes to stderr."""
    exporters = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **exporters},
    )
    return done.stderr


@pytest.mark.parametrize(
    ("logging_set_up", "expected"),
    [([], "heard\n"), (["basic"], "WARNING:heard\nINFO:asked for\nERROR:silenced\n")],
    ids=["never", "basicConfig"],
)
def test_the_same_is_printed(logging_set_up: list[str], expected: str) -> None:
    """Warnings of an application that never set up logging are not swallowed, nor printed twice."""
    assert printed(*logging_set_up) == expected
    assert printed("telemetry", *logging_set_up) == expected
