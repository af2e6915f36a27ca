"""Prometheus' configuration, judged by Prometheus' own tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from voxtrace_services.native.layout import root, setting

CONFIG = root() / "deploy" / "prometheus" / "prometheus.yml"


def check(config: Path) -> subprocess.CompletedProcess[str]:
    """Have promtool judge a configuration."""
    promtool = shutil.which("promtool")
    assert promtool is not None, "apt-get install prometheus"
    return subprocess.run(
        [promtool, "check", "config", str(config)], check=False, capture_output=True, text=True
    )


def test_the_configuration_is_valid() -> None:
    """Promtool accepts it, the files of targets included."""
    answer = check(CONFIG)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_fault_would_be_noticed(tmp_path: Path) -> None:
    """A scrape that may take longer than its interval is refused."""
    faulty = tmp_path / "prometheus.yml"
    faulty.write_text(CONFIG.read_text().replace("scrape_timeout: 4s", "scrape_timeout: 9s"))
    assert check(faulty).returncode != 0


@pytest.mark.parametrize("service", ["gateway", "asr", "translation", "synthesis"])
def test_no_service_is_scraped(service: str) -> None:
    """The services report to the Collector: scraped as well, everything would count twice."""
    configured = yaml.safe_load(CONFIG.read_text())
    targets = [
        target
        for path in (CONFIG.parent / "targets").glob("*.yaml")
        for group in yaml.safe_load(path.read_text())
        for target in group["targets"]
    ]
    jobs = [job["job_name"] for job in configured["scrape_configs"]]
    page = f"127.0.0.1:{setting(f'VOXTRACE_{service.upper()}_METRICS_PORT')}"
    assert not [name for name in (*targets, *jobs) if name == page or name.startswith(service)]
