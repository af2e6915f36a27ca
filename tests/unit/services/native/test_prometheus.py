"""How Prometheus is started, as the environment says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from voxtrace_services.native import Command, MissingPartError, Ports
from voxtrace_services.native.layout import root
from voxtrace_services.native.prometheus import command

if TYPE_CHECKING:
    from pathlib import Path

COMMITTED = root() / "deploy" / "prometheus"


@pytest.fixture(autouse=True)
def _program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which Prometheus is installed, and nothing is set."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "prometheus"
    program.touch()
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("VOXTRACE_RULE_TIME_SCALE", "VOXTRACE_REMOTE_WRITE_URL"):
        monkeypatch.delenv(name, raising=False)


def made(folder: Path, **environment: str) -> Command:
    """The command in an environment."""
    return command(folder / "data", ports=Ports.load(), environment=environment)


def load(path: Path) -> dict[str, Any]:
    """A file of YAML."""
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def test_the_repositorys_files_are_used_as_they_are(tmp_path: Path) -> None:
    """With nothing set, configuration and rules say what those in deploy/ say."""
    made(tmp_path)
    assert load(tmp_path / "data" / "prometheus.yml") == load(COMMITTED / "prometheus.yml")
    rules = {path.name: load(path) for path in (tmp_path / "data" / "rules").iterdir()}
    assert rules == {path.name: load(path) for path in (COMMITTED / "rules").iterdir()}


def test_a_rule_that_was_removed_is_gone(tmp_path: Path) -> None:
    """What an earlier start left is not evaluated again."""
    made(tmp_path)
    (tmp_path / "data" / "rules" / "former.yaml").write_text("groups: []")
    made(tmp_path)
    assert not (tmp_path / "data" / "rules" / "former.yaml").exists()


def test_retention_is_by_time_and_by_size(tmp_path: Path) -> None:
    """Both have a default, the first beyond the 30 days of the error budgets, and a variable."""
    assert {"--storage.tsdb.retention.time=31d", "--storage.tsdb.retention.size=10GB"} <= {
        *made(tmp_path).argv
    }
    chosen = made(
        tmp_path, VOXTRACE_PROMETHEUS_RETENTION_TIME="90d", VOXTRACE_PROMETHEUS_RETENTION_SIZE="50GB"
    )
    assert {"--storage.tsdb.retention.time=90d", "--storage.tsdb.retention.size=50GB"} <= {*chosen.argv}


def test_samples_are_written_elsewhere_on_request(tmp_path: Path) -> None:
    """An address adds the section of remote-write.yaml, a token's file its authorization."""
    made(
        tmp_path,
        VOXTRACE_REMOTE_WRITE_URL="https://store.example.com/push",
        VOXTRACE_REMOTE_WRITE_TOKEN_FILE="/run/secrets/store",  # noqa: S106  a path
    )
    written = load(tmp_path / "data" / "prometheus.yml")
    (target,) = written.pop("remote_write")
    assert target["url"] == "https://store.example.com/push"
    assert target["authorization"] == {"credentials_file": "/run/secrets/store"}
    assert target["send_exemplars"]
    assert written == load(COMMITTED / "prometheus.yml")


def test_paths_become_links_on_request(tmp_path: Path) -> None:
    """The runbook's and the dashboard's path each get the address before them that is set."""
    made(
        tmp_path,
        VOXTRACE_RUNBOOKS_URL="https://example.com/main/",
        VOXTRACE_GRAFANA_URL="http://grafana:3000",
    )
    notes = {
        rule["alert"]: rule["annotations"]
        for group in load(tmp_path / "data" / "rules" / "alerts.yaml")["groups"]
        for rule in group["rules"]
    }
    assert notes["DeadLetters"]["runbook_url"] == "https://example.com/main/docs/runbooks/DeadLetters.md"
    assert notes["DeadLetters"]["dashboard"] == "http://grafana:3000/d/voxtrace-queues"


def test_rules_run_faster_on_request(tmp_path: Path) -> None:
    """One setting shortens the scrapes, the evaluations and the rules."""
    made(tmp_path, VOXTRACE_RULE_TIME_SCALE="5")
    assert load(tmp_path / "data" / "prometheus.yml")["global"]["scrape_interval"] == "1s"
    group = load(tmp_path / "data" / "rules" / "alerts.yaml")["groups"][0]
    assert (group["interval"], group["rules"][0]["for"]) == ("3s", "24s")


def test_without_prometheus_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the command that installs it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingPartError, match="apt-get install --no-install-recommends prometheus"):
        made(tmp_path)
