"""The platform starts as private processes, takes a crash, and leaves only logs behind."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from voxtrace_services.cli.backend import Backend
from voxtrace_services.cli.gateway import Gateway
from voxtrace_services.cli.recording import default_recording
from voxtrace_services.native import NativeError, Ports, Process, Stack
from voxtrace_services.native.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator

_NULL_ENGINES = {
    "asr": {"VOXTRACE_ASR_ENGINE": "null"},
    "translation": {"VOXTRACE_TRANSLATION_ENGINE": "null"},
    "synthesis": {"VOXTRACE_SYNTHESIS_ENGINE": "null"},
}
_NAMES = ["epmd", "rabbitmq", "console", "asr", "translation", "synthesis", "gateway"]


def test_a_stack_lives_and_ends(tmp_path: Path) -> None:
    """All services answer; a killed one can be started again; after the end only the logs are left."""
    said: list[str] = []
    with Stack(tmp_path, ports=Ports.free(), env=_NULL_ENGINES, on_progress=said.append) as stack:
        assert [process.name for process in stack.processes] == _NAMES
        assert httpx.get(f"{stack.gateway_url}/health", trust_env=False).json()["service"] == "gateway"
        assert httpx.get(f"{stack.console_url}/health", trust_env=False).json()["service"] == "console"

        before = stack.process("translation").pid
        stack.kill("translation", signal.SIGKILL)
        assert not stack.process("translation").running
        stack.restart("translation")
        assert stack.process("translation").pid not in {before, None}

        family = [psutil.Process(process.pid) for process in stack.processes]
        family += [child for parent in family for child in parent.children(recursive=True)]

    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    assert sorted(path.name for path in stack.logs.iterdir()) == sorted(f"{name}.log" for name in _NAMES)
    assert [line for line in said if line.startswith("stopping")] == [
        f"stopping {name}" for name in reversed(_NAMES)
    ]


def test_settings_for_an_unknown_process_are_refused(tmp_path: Path) -> None:
    """A misspelt process in `env` is an error, not silence."""
    stack = Stack(tmp_path, ports=Ports.free(), env={"translator": {}})

    with pytest.raises(NativeError, match="translator"):
        stack.start()


@pytest.fixture(scope="module", name="busy")
def _busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack started where OTEL_METRICS_EXPORTER and VOXTRACE_CONSOLE_TOKEN are set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_METRICS_EXPORTER", "prometheus")
        patch.setenv("VOXTRACE_CONSOLE_TOKEN", "for-another-console")
        with Stack(tmp_path_factory.mktemp("busy"), ports=Ports.free(), env=_NULL_ENGINES) as stack:
            yield stack


@pytest.mark.parametrize("service", ["gateway", "asr", "translation", "synthesis"])
def test_each_service_has_a_metrics_page_of_its_own(busy: Stack, service: str) -> None:
    """Told to serve Prometheus, the services do so side by side, each on a port of its own."""
    port = getattr(busy.ports, f"{service}_metrics")
    page = httpx.get(f"http://{LOOPBACK}:{port}/metrics", trust_env=False).text

    assert f'service_name="{service}"' in page


def test_traces_reach_our_console_whatever_the_environment_says(busy: Stack) -> None:
    """Neither metrics pages nor a token for another console keep spans from the console of the stack."""
    trace_id = Gateway(url=busy.gateway_url).send(default_recording()).trace_id
    assert trace_id is not None
    console = Backend(name="console", url=busy.console_url)
    trace = console.settled_trace(trace_id, last="process speech:events", seconds=60)

    assert trace is not None
    assert {span.service for span in trace.spans} == {"gateway", "asr", "translation", "synthesis"}


def _planned(stack: Stack, name: str) -> Process:
    (found,) = [process for wave in stack._plan() for process in wave if process.name == name]
    return found


def test_a_metrics_port_matters_only_where_it_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metrics port must be free where the page is asked for, and is nobody's business elsewhere."""
    monkeypatch.delenv("OTEL_METRICS_EXPORTER", raising=False)
    ports = Ports.free()
    stack = Stack(tmp_path, ports=ports, env={"asr": {"OTEL_METRICS_EXPORTER": "otlp, prometheus"}})

    assert _planned(stack, "asr").command.ports == {
        "asr_health": ports.asr_health,
        "asr_metrics": ports.asr_metrics,
    }
    assert _planned(stack, "gateway").command.ports == {"gateway": ports.gateway}


def test_a_back_end_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VOXTRACE_OTLP_ENDPOINT and VOXTRACE_OTLP_HEADERS give the stack's Collector one layer more."""
    endpoint = f"http://{LOOPBACK}:9"
    monkeypatch.setenv("VOXTRACE_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("VOXTRACE_OTLP_HEADERS", "api-key=abc")
    collector = _planned(Stack(tmp_path, ports=Ports.free(), full=True), "collector").command

    layers = [Path(part).stem for part in collector.argv if part.endswith(".yaml")]
    assert layers == ["base", "red", "jaeger", "prometheus", "console", "otlp-backend", "extras"]
    assert collector.environment["VOXTRACE_OTLP_ENDPOINT"] == endpoint
    assert collector.environment["VOXTRACE_OTLP_HEADERS"] == '{"api-key": "abc"}'


@pytest.mark.parametrize(("percent", "sampled"), [("5", True), ("", False)])
def test_sampling_is_switched_on_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, percent: str, sampled: bool
) -> None:
    """VOXTRACE_SAMPLING_PERCENT has the Collector sample, and the services leave exemplars to it."""
    monkeypatch.setenv("VOXTRACE_SAMPLING_PERCENT", percent)
    stack = Stack(tmp_path, ports=Ports.free(), full=True)
    layers = [Path(part).stem for part in _planned(stack, "collector").command.argv if part.endswith(".yaml")]

    assert ("sampling" in layers) is sampled
    for service in ("gateway", "asr", "translation", "synthesis"):
        environment = _planned(stack, service).command.environment
        assert (environment.get("OTEL_METRICS_EXEMPLAR_FILTER") == "always_off") is sampled


def test_without_the_variables_there_is_no_other_back_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unset, or set to nothing, the variables add nothing."""
    monkeypatch.setenv("VOXTRACE_OTLP_ENDPOINT", "")
    monkeypatch.delenv("VOXTRACE_OTLP_HEADERS", raising=False)
    collector = _planned(Stack(tmp_path, ports=Ports.free(), full=True), "collector").command

    assert "otlp-backend" not in " ".join(collector.argv)
