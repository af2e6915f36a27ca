"""The messaging benchmark runs; what it measures is for `make bench-messaging` to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from voxtrace_services.native import RabbitMQ

BENCH = Path(__file__).parents[2] / "bench" / "messaging"


def test_the_messaging_benchmark_compares_every_variant_with_upstream(rabbitmq: RabbitMQ) -> None:
    """One small round gives every figure, and the exit status says whether the bars were held."""
    command = [sys.executable, BENCH, "--rounds", "1", "--messages", "16", "--profile", "--json"]
    command += ["--url", rabbitmq.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    spread = {"low", "median", "high"}
    assert {name: set(figures) for name, figures in document["added_us"].items()} == {
        "upstream": spread,
        "upstream-unsampled": spread,
        "floor": spread,
        "floor-measured": spread,
        "floor-unsampled": spread,
        "tracing": spread,
        "without-wait-spans": spread,
        "all-signals": spread,
        "unsampled": spread,
    }
    bars = document["bars"]
    assert bars == {"tracing": 0.6, "all-signals": 1.0, "unsampled": 0.3}
    assert document["of"] == {
        "tracing": "upstream",
        "all-signals": "upstream",
        "unsampled": "upstream-unsampled",
        "floor-unsampled": "upstream-unsampled",
    }
    measured = {"upstream", "upstream-unsampled", *bars}
    growth = document["growth"]
    assert {what: set(found) for what, found in growth.items()} == {
        "16 threads": measured,
        "50 consumers on a channel": measured,
    }
    below = [document["ratio"][name]["median"] <= bar for name, bar in bars.items()]
    flat = [found[name]["median"] <= document["flat"] for found in growth.values() for name in bars]
    assert document["within"] == all(below + flat)
    assert done.returncode == (0 if document["within"] else 1)
    assert set(document["shares"]) == measured | {"none"}
    for shares in document["shares"].values():
        assert sum(shares.values()) == pytest.approx(1)
    assert any(name.startswith("voxtrace/") for name in document["shares"]["tracing"])
    assert not any(name.startswith("voxtrace/") for name in document["shares"]["upstream"])
