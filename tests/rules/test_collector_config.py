"""Every supported set of Collector layers is valid, and no layer takes anything from another."""

from __future__ import annotations

import os
import subprocess
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from voxtrace_services.native.builds import COLLECTOR
from voxtrace_services.native.layout import root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BACKENDS = ("jaeger", "prometheus", "console", "otlp-backend")
_SETS = list(chain.from_iterable(combinations(_BACKENDS, size) for size in range(len(_BACKENDS) + 1)))


def _path(layer: str) -> Path:
    return root() / "collector-config" / f"{layer}.yaml"


def _load(layer: str) -> dict[str, Any]:
    found = yaml.safe_load(_path(layer).read_text())
    assert isinstance(found, dict)
    return found


def _arrays(node: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _arrays(value, (*where, str(key)))
    elif isinstance(node, list):
        yield where, node


def _taken(layers: list[dict[str, Any]]) -> list[tuple[tuple[str, ...], list[Any]]]:
    """Arrays that a later layer replaces by one that lacks something."""
    named: dict[tuple[str, ...], list[Any]] = {}
    taken = []
    for layer in layers:
        for where, array in _arrays(layer):
            lost = [item for item in named.get(where, []) if item not in array]
            if lost:
                taken.append((where, lost))
            named[where] = array
    return taken


@pytest.mark.parametrize("backends", _SETS, ids="+".join)
def test_each_set_of_layers_is_valid(backends: tuple[str, ...]) -> None:
    """The Collector accepts base, any choice of back ends, and extras."""
    program = COLLECTOR.find()
    assert program is not None, "python -m voxtrace_services.native build"
    layers = [str(_path(layer)) for layer in ("base", *backends, "extras")]
    answer = subprocess.run(
        [program, "validate", *chain.from_iterable(("--config", layer) for layer in layers)],
        capture_output=True,
        check=False,
        env={**os.environ, "VOXTRACE_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        text=True,
    )

    assert answer.returncode == 0, answer.stderr


def test_no_layer_drops_what_another_names() -> None:
    """Arrays replace, so a layer that names another's array must repeat all of it."""
    assert _taken([_load(layer) for layer in ("base", *_BACKENDS, "extras")]) == []


def test_a_dropped_component_is_noticed() -> None:
    """The check above fails when a layer lists a pipeline's exporters anew without one of them."""
    first = {"service": {"pipelines": {"traces/in": {"exporters": ["span_metrics", "forward/traces"]}}}}
    second = {"service": {"pipelines": {"traces/in": {"exporters": ["forward/traces"]}}}}

    assert _taken([first, second]) == [
        (("service", "pipelines", "traces/in", "exporters"), ["span_metrics"]),
    ]


@pytest.mark.parametrize("layer", ["jaeger", "console", "otlp-backend"])
def test_what_is_pushed_is_queued_on_disk(layer: str) -> None:
    """Each exporter that pushes keeps its queue in file_storage and never gives up."""
    exporters = _load(layer)["exporters"]

    assert [exporter["sending_queue"]["storage"] for exporter in exporters.values()] == ["file_storage/queue"]
    assert [exporter["retry_on_failure"]["max_elapsed_time"] for exporter in exporters.values()] == [0]


def test_each_pipeline_that_takes_data_in_starts_with_memory_limiter() -> None:
    """Pipelines that read from outside begin with memory_limiter."""
    pipelines = _load("base")["service"]["pipelines"]

    first = {name: body["processors"][0] for name, body in pipelines.items() if "otlp" in body["receivers"]}
    assert first == {
        "traces/in": "memory_limiter",
        "metrics/in": "memory_limiter",
        "logs/in": "memory_limiter",
    }
