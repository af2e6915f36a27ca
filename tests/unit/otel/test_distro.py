"""Tests of the distro: its defaults, and which instrumentations it loads."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.instrumentation.dependencies import DependencyConflict, DependencyConflictError
from opentelemetry.util._importlib_metadata import EntryPoint

from voxtrace import _guard, distro
from voxtrace.distro import VoxtraceDistro

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADED: list[tuple[str, dict[str, Any]]] = []


class Recording:
    """An instrumentor that says what it was instrumented with."""

    name = "any"

    def instrument(self, **kwargs: Any) -> None:
        """Note the call."""
        LOADED.append((self.name, kwargs))


class Failing:
    """An instrumentor that fails as the test says."""

    error: Exception = RuntimeError()

    def instrument(self, **_kwargs: Any) -> None:
        """Fail."""
        raise self.error


class Entry(EntryPoint):
    """An entry point whose object is the test's own."""

    def load(self) -> Any:
        """Return the class of this test module that the value names."""
        found = globals()[self.value]
        found.name = self.name
        return found


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(_guard, "_reported", set())
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("OTEL_", "VOXTRACE_"))]:
        del os.environ[name]
    LOADED.clear()
    yield
    os.environ.clear()
    os.environ.update(before)


def _load(name: str, value: str = "Recording") -> list[str]:
    LOADED.clear()
    VoxtraceDistro().load_instrumentor(Entry(name, value, "opentelemetry_instrumentor"))
    return [loaded for loaded, _ in LOADED]


def test_defaults() -> None:
    """Without settings, everything goes out by OTLP over HTTP, with W3C headers and bounded values."""
    VoxtraceDistro().configure()
    assert {name: value for name, value in os.environ.items() if name.startswith("OTEL_")} == {
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "4096",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXEMPLAR_FILTER": "trace_based",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS": r"^\w+://[^/]*/health$,^\w+://[^/]*/metrics/?$",
        "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http",
        "OTEL_TRACES_EXPORTER": "otlp",
    }


def test_settings_win_over_defaults() -> None:
    """What the operator has set stays."""
    os.environ["OTEL_TRACES_EXPORTER"] = "console"
    os.environ["OTEL_PYTHON_EXCLUDED_URLS"] = "/ping"
    VoxtraceDistro().configure()
    assert os.environ["OTEL_TRACES_EXPORTER"] == "console"
    assert "OTEL_PYTHON_FASTAPI_EXCLUDED_URLS" not in os.environ


def test_an_empty_setting_is_none() -> None:
    """A variable that is set to nothing has its default, as the specification says."""
    os.environ["OTEL_METRICS_EXEMPLAR_FILTER"] = ""
    VoxtraceDistro().configure()
    assert os.environ["OTEL_METRICS_EXEMPLAR_FILTER"] == "trace_based"


def test_ours_take_the_place_of_upstreams() -> None:
    """For FastAPI, pika and the process ours is loaded and upstream's is not; the others load as they are."""
    pairs = {"fastapi": "voxtrace_fastapi", "pika": "voxtrace_pika", "system_metrics": "voxtrace_process"}
    names = [*pairs, *pairs.values(), "threading"]
    assert [name for name in names if _load(name)] == [*pairs.values(), "threading"]


def test_upstreams_system_metrics_can_be_chosen() -> None:
    """With ours switched off, upstream's is loaded in its place; switched off itself, neither is."""
    names = ["system_metrics", "voxtrace_process"]
    os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "voxtrace_process"
    assert _load("system_metrics")
    os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "system_metrics"
    assert [name for name in names if _load(name)] == []


def test_upstreams_pika_can_be_chosen() -> None:
    """With VOXTRACE_PIKA=upstream it is the other way round for pika."""
    os.environ["VOXTRACE_PIKA"] = "Upstream"
    assert [name for name in ("pika", "voxtrace_pika") if _load(name)] == ["pika"]


def test_an_unknown_choice_is_reported_and_ours_is_used(caplog: pytest.LogCaptureFixture) -> None:
    """A misspelt VOXTRACE_PIKA leads to ours, and says what it takes."""
    os.environ["VOXTRACE_PIKA"] = "theirs"
    assert [name for name in ("pika", "voxtrace_pika") if _load(name)] == ["voxtrace_pika"]
    assert "use VOXTRACE_PIKA: say 'upstream' or leave it out" in caplog.text


def test_disabling_upstreams_name_disables_ours() -> None:
    """OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=fastapi keeps its meaning."""
    os.environ["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "fastapi , redis"
    assert [name for name in ("fastapi", "voxtrace_fastapi", "voxtrace_pika") if _load(name)] == [
        "voxtrace_pika"
    ]


def test_log_records_get_trace_ids_and_the_format_stays() -> None:
    """The logging instrumentation injects ids and does not call basicConfig."""
    _load("logging")
    assert LOADED == [("logging", {"inject_trace_context": True})]


def test_one_broken_instrumentation_is_reported_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """An instrumentation that fails does not keep the next one from loading."""
    Failing.error = RuntimeError("broken")
    _load("redis", "Failing")
    assert "load the instrumentation 'redis' (RuntimeError at" in caplog.text


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("redis"), DependencyConflictError(DependencyConflict("redis"))]
)
def test_a_library_that_is_not_there_is_left_to_the_loader(error: Exception) -> None:
    """The loader knows what to do about a library that is not installed."""
    Failing.error = error
    with pytest.raises(type(error)):
        _load("redis", "Failing")


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["python", "app.py"], "app"),
        (["python", "-W", "error", "-u", "/srv/worker.py", "--fast"], "worker"),
        (["python", "-c", "import voxtrace"], "unknown_service"),
        (["python", "-m", "shop.worker", "app.py"], "worker"),
        (["python", "/usr/bin/uvicorn", "main:app"], "uvicorn"),
        (["python"], "unknown_service"),
    ],
)
def test_the_program_names_the_service_as_a_last_resort(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], name: str
) -> None:
    """Without a name the service is called like its script or module."""
    monkeypatch.setattr(sys, "orig_argv", argv)
    assert distro._resource_attributes({})["service.name"] == name


def test_who_runs_the_service_names_it() -> None:
    """The environment wins over the code for the service's name and every other attribute."""
    os.environ["OTEL_SERVICE_NAME"] = "from-environment"
    os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "team=speech"
    attributes = distro._resource_attributes({"service.name": "from-code", "team": "code", "region": "eu"})
    assert set(attributes) == {"region", "telemetry.distro.name", "telemetry.distro.version"}
