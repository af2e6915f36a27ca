"""A live stack of its own, whose rules run forty times as fast as written, and all drills on it."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.drills.acts import ACTS
from e2e.drills.drill import run
from e2e.drills.field import BUDGET_SCALE, SCALE, Field, Watcher
from e2e.drills.receiver import Backend, Receiver
from voxtrace_services.native import alertmanager, prometheus
from voxtrace_services.native.group import Group
from voxtrace_services.native.pace import VARIABLE
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.process import Process
from voxtrace_services.native.stack import Stack

#: A minute becomes a second or two: what is reported, counted and refreshed must be newer than that.
_ERLANG = "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"
_EVERY_SECOND = "-rabbit collect_statistics_interval 1000 -rabbit quorum_tick_interval 1000"

#: Each translation that the cache does not have costs more than a day may.
_PRICES = """
version = "drill"
currency = "EUR"

[[price]]
operation = "translate"
request = 0.01
"""


#: All drills happen in the set-up of whichever test comes first.
_TIMEOUT_SECONDS = 1500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that the drills take."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


@pytest.fixture(scope="session", name="field")
def _field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    """The stack, started, with everything around it."""
    folder = tmp_path_factory.mktemp("drills")
    (folder / "prices.toml").write_text(_PRICES)
    pace = {VARIABLE: str(SCALE)}
    service = {
        "VOXTRACE_FAULTS": "on",
        "VOXTRACE_RETRY_DELAYS": "0.3,0.6",
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        # An outage of the Collector is over soon here: what is not sent is lost sooner.
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
    }
    with closing(Receiver()) as receiver, closing(Receiver()) as budgets, closing(Backend()) as backend:
        stack = Stack(
            folder,
            ports=Ports.free(),
            full=True,
            env={
                "gateway": service,
                "asr": service,
                "translation": {**service, "VOXTRACE_PRICES": str(folder / "prices.toml")},
                "synthesis": {
                    **service,
                    "VOXTRACE_SYNTHESIS_ENGINE": "null",
                    "VOXTRACE_NULL_ENGINE_SECONDS": "0.2",
                },
                "prometheus": pace,
                "alertmanager": {**pace, "VOXTRACE_ALERT_WEBHOOK_URL": receiver.url},
                "collector": {
                    "VOXTRACE_SPAN_METRICS_INTERVAL": "1s",
                    "VOXTRACE_OTLP_ENDPOINT": backend.url,
                    "VOXTRACE_COLLECTOR_QUEUE_BYTES": "3000000",
                },
            },
        )
        server = stack.rabbitmq.server
        server.command = replace(
            server.command, environment={**server.command.environment, _ERLANG: _EVERY_SECOND}
        )
        with stack, _second_asr(stack), _watcher_of_budgets(stack, budgets) as watcher:
            assert stack.prometheus_url is not None
            yield Field(
                stack=stack,
                watcher_of_alerts=Watcher(url=stack.prometheus_url, receiver=receiver),
                watcher_of_budgets=watcher,
                backend=backend,
                speech=_clip(folder / "speech.wav"),
                overdriven=_clip(folder / "overdriven.wav", "-af", "volume=40dB"),
            )


@pytest.fixture(scope="session", name="drilled")
def _drilled(field: Field) -> Iterator[Field]:
    """The stack after all drills, still running: `outcomes`, `prometheus_url`, `jaeger_url`."""
    with closing(field):
        field.uploads(8)
        assert field.until('sum(speech_jobs{speech_job_state="completed"}) >= 8')
        run(field, ACTS)
        yield field


def _recording() -> Path:
    """Real recorded speech."""
    found = importlib.util.find_spec("moonshine_voice")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "assets" / "two_cities.wav"


def _clip(target: Path, *options: str) -> Path:
    """Somewhat more than a second of it, without a flag of its own."""
    cut = ["-ss", "5", "-t", "1.2", "-i", str(_recording())]
    subprocess.run(
        ["ffmpeg", "-v", "error", *cut, *options, "-ar", "16000", "-ac", "1", str(target)], check=True
    )
    return target


@contextmanager
def _second_asr(stack: Stack) -> Iterator[None]:
    """A second asr, without an engine: it takes what the real one has no time for."""
    command = stack.process("asr").command
    second = replace(
        command,
        name="second-asr",
        ports={},
        environment={**command.environment, "VOXTRACE_ASR_ENGINE": "null", "VOXTRACE_HEALTH_PORT": "0"},
    )
    process = Process(second, log=stack.logs / "second-asr.log")
    process.spawn()
    try:
        yield
    finally:
        process.stop()


@contextmanager
def _watcher_of_budgets(stack: Stack, receiver: Receiver) -> Iterator[Watcher]:
    """One more Prometheus and Alertmanager, with the same rules at a pace that makes hours seconds."""
    folder = stack.data_dir / "budgets"
    free = Ports.free()
    ports = replace(stack.ports, prometheus=free.prometheus, alertmanager=free.alertmanager)
    pace = {VARIABLE: str(BUDGET_SCALE)}
    commands = [
        prometheus.command(folder / "prometheus", ports=ports, environment=pace),
        alertmanager.command(
            folder / "alertmanager",
            ports=ports,
            environment={**pace, "VOXTRACE_ALERT_WEBHOOK_URL": receiver.url},
        ),
    ]
    with Group(lambda: [[Process(one, log=stack.logs / f"budgets-{one.name}.log") for one in commands]]):
        yield Watcher(url=f"http://127.0.0.1:{ports.prometheus}", receiver=receiver)
