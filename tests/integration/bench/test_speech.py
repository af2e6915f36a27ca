"""The speech benchmark runs; what it measures is for `make bench-speech` to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import moonshine_voice

BENCH = Path(__file__).parents[2] / "bench" / "speech"
RECORDING = Path(moonshine_voice.__file__).parent / "assets" / "clone-test.wav"


def test_the_speech_benchmark_compares_instrumented_with_plain() -> None:
    """One small round gives every figure, and one round is too few to judge."""
    command = [sys.executable, BENCH, "--rounds", "1", "--json", "--recording", RECORDING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    spread = {"low", "median", "high"}
    assert set(document["plain_s"]) == set(document["ratio"]) == set(document["cpu_ratio"]) == spread
    assert document["ratio"]["median"] > 0
    assert document["best_ratio"] > 0
    assert (document["bar"], document["judged"], document["within"]) == (1.01, False, True)
    assert 4.0 < document["audio_s"] < 4.2
    # Root, load, features, and for one window encode and decode.
    assert document["spans_per_minute"] == 5 * 60 / document["audio_s"]
    assert {what: set(figures) for what, figures in document["memory_mib"].items()} == {
        "resident": spread,
        "allocated": spread,
    }
    assert 0 < document["memory_mib"]["allocated"]["median"] < 50
    assert done.returncode == 0
