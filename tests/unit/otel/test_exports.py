"""Tests of what importing Voxtrace gives and costs."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import voxtrace
import voxtrace.engines
from voxtrace._metric import Metric

PUBLIC = [
    "voxtrace",
    *(
        f"voxtrace.{module.name}"
        for module in pkgutil.iter_modules(voxtrace.__path__)
        if not module.name.startswith("_")
    ),
]

ENGINES = [
    "voxtrace.engines",
    *(f"voxtrace.engines.{module.name}" for module in pkgutil.iter_modules(voxtrace.engines.__path__)),
]


def _modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", [name for name in PUBLIC if name != "voxtrace.semconv"])
def test_exported_members(name: str) -> None:
    """A public module's `__all__` is sorted and names what is there."""
    module = importlib.import_module(name)
    exported = module.__all__
    assert list(exported) == sorted(exported)
    assert [member for member in exported if not hasattr(module, member)] == []


def test_every_name_of_the_conventions_is_written_once() -> None:
    """Two constants of `semconv` never stand for one name."""
    semconv = importlib.import_module("voxtrace.semconv")
    constants = [value for key, value in vars(semconv).items() if key.isupper()]
    for names in (
        [value for value in constants if isinstance(value, str)],
        [value.name for value in constants if isinstance(value, Metric)],
    ):
        assert len(names) == len(set(names)) > 1


@pytest.mark.parametrize(
    "statement",
    ["import voxtrace", "import voxtrace.messaging", "import voxtrace.context, voxtrace.health"],
)
def test_importing_does_not_load_the_sdk(statement: str) -> None:
    """Neither the SDK nor an instrumented library is loaded by an import."""
    loaded = _modules_after(statement)
    assert not {name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))}
    assert not loaded & {"fastapi", "faster_whisper", "pytest"}


@pytest.mark.parametrize("name", ["voxtrace.messaging", *ENGINES])
def test_instrumentations_need_the_api_alone(name: str) -> None:
    """The instrumentations of a plain `pip install voxtrace` load neither the SDK nor contrib."""
    loaded = _modules_after(f"import {name}")
    beyond = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation")
    assert [module for module in loaded if module.startswith(beyond)] == []


def test_importing_starts_no_thread_and_sets_no_provider() -> None:
    """Importing does no work: no thread, no provider, no signal handler."""
    code = (
        "import threading, signal, voxtrace; from opentelemetry import trace;"
        "assert threading.active_count() == 1;"
        "assert type(trace.get_tracer_provider()).__name__ == 'ProxyTracerProvider';"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_that_of_the_distribution() -> None:
    """`__version__` comes from the installed metadata."""
    assert voxtrace.__version__ == importlib.import_module("importlib.metadata").version("voxtrace")
