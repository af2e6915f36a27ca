"""Alertmanager's configuration, judged by its own tool: who is told of what, and what goes without saying."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rules.test_alerts import ALERTS
from voxtrace_services.native.alertmanager import write
from voxtrace_services.native.layout import root

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = root() / "deploy" / "alertmanager" / "alertmanager.yml"
#: One alert of each name that others are compared with.
SEVERITY = {rule["alert"]: rule["labels"]["severity"] for rule in ALERTS}

ENVIRONMENTS = {
    "nobody": {},
    "all": {
        "VOXTRACE_ALERT_WEBHOOK_URL": "http://127.0.0.1:9/alerts",
        "VOXTRACE_ALERT_EMAIL_TO": "ops@example.com",
        "VOXTRACE_ALERT_EMAIL_FROM": "voxtrace@example.com",
        "VOXTRACE_ALERT_SMTP_HOST": "smtp.example.com:587",
        "VOXTRACE_ALERT_SMTP_USER": "voxtrace",
        "VOXTRACE_ALERT_SMTP_PASSWORD_FILE": "/run/secrets/smtp",
        "VOXTRACE_ALERT_SLACK_URL_FILE": "/run/secrets/slack",
        "VOXTRACE_ALERT_SLACK_CHANNEL": "#speech",
        "VOXTRACE_RULE_TIME_SCALE": "60",
    },
}


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Alertmanager's tool."""
    program = shutil.which("amtool")
    assert program is not None, "apt-get install prometheus-alertmanager"
    return subprocess.run([program, *map(str, arguments)], check=False, capture_output=True, text=True)


def test_the_configuration_is_valid() -> None:
    """Amtool accepts it as it is committed: whoever mounts it has a valid one."""
    answer = amtool("check-config", CONFIG)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_what_is_written_is_valid(tmp_path: Path, environment: dict[str, str]) -> None:
    """Amtool accepts it with no receiver and with all of them."""
    answer = amtool("check-config", write(tmp_path, environment))
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_fault_would_be_noticed(tmp_path: Path) -> None:
    """A route to nobody is refused."""
    faulty = tmp_path / "alertmanager.yml"
    faulty.write_text(CONFIG.read_text().replace("receiver: info", "receiver: inbox"))
    assert amtool("check-config", faulty).returncode != 0


@pytest.mark.parametrize(("alert", "severity"), sorted(SEVERITY.items()))
def test_each_alert_is_routed_by_its_severity(alert: str, severity: str) -> None:
    """A page pages, a ticket is a ticket, and what is for information bothers nobody."""
    answer = amtool(
        "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={severity}",
        f"alertname={alert}", f"severity={severity}", "service=asr",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_what_has_no_severity_is_a_ticket() -> None:
    """An alert of somebody's own, without our labels, reaches somebody."""
    answer = amtool("config", "routes", "test", f"--config.file={CONFIG}", "alertname=Mine")
    assert answer.stdout.split() == ["ticket"]


def _named(matchers: list[str]) -> set[str]:
    (matcher,) = matchers
    found = re.fullmatch(r'alertname(?:="(?P<one>\w+)"|=~"(?P<many>[\w|]+)")', matcher)
    assert found is not None
    return set((found["one"] or found["many"]).split("|"))


def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["inhibit_rules"]
    return rules


def test_inhibition_names_alerts_that_there_are() -> None:
    """Both sides of each rule are alerts of ours, none is on both, and no two silence each other."""
    pairs = {
        (source, target)
        for rule in _rules()
        for source in _named(rule["source_matchers"])
        for target in _named(rule["target_matchers"])
    }
    assert {name for pair in pairs for name in pair} <= SEVERITY.keys()
    assert {(target, source) for source, target in pairs} & pairs == set()


def test_what_silences_another_is_told_itself() -> None:
    """No alert is silenced by one of a lower severity."""
    order = ["info", "ticket", "page"]
    for rule in _rules():
        for source in _named(rule["source_matchers"]):
            for target in _named(rule["target_matchers"]):
                assert order.index(SEVERITY[source]) >= order.index(SEVERITY[target])
