"""Whom Alertmanager tells, as the environment says."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from voxtrace_services.native import NativeError
from voxtrace_services.native.alertmanager import configuration, write

if TYPE_CHECKING:
    from pathlib import Path

WEBHOOK = {"VOXTRACE_ALERT_WEBHOOK_URL": "http://127.0.0.1:9/alerts"}
EMAIL = {
    "VOXTRACE_ALERT_EMAIL_TO": "ops@example.com",
    "VOXTRACE_ALERT_EMAIL_FROM": "voxtrace@example.com",
    "VOXTRACE_ALERT_SMTP_HOST": "smtp.example.com:587",
}
SLACK = {"VOXTRACE_ALERT_SLACK_URL_FILE": "/run/secrets/slack", "VOXTRACE_ALERT_SLACK_CHANNEL": "#speech"}


def receivers(environment: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The receivers by name."""
    return {receiver["name"]: receiver for receiver in configuration(environment)["receivers"]}


def test_by_default_nobody_is_told() -> None:
    """Without variables the three receivers are there, and empty."""
    assert receivers({}) == {name: {"name": name} for name in ("page", "ticket", "info")}


def test_each_channel_is_named_by_its_variables() -> None:
    """All three together; what is only informative goes to the webhook alone."""
    found = receivers(WEBHOOK | EMAIL | SLACK)
    assert found["page"].keys() == {"name", "webhook_configs", "email_configs", "slack_configs"}
    assert found["ticket"].keys() == found["page"].keys()
    assert found["info"].keys() == {"name", "webhook_configs"}
    assert found["page"]["webhook_configs"] == [{"url": "http://127.0.0.1:9/alerts", "send_resolved": True}]
    (email,) = found["page"]["email_configs"]
    assert (email["to"], email["from"], email["smarthost"]) == tuple(EMAIL.values())
    assert "auth_username" not in email
    (slack,) = found["page"]["slack_configs"]
    assert (slack["api_url_file"], slack["channel"]) == tuple(SLACK.values())
    assert "{{ range .Alerts }}" in slack["text"]


def test_an_account_is_given_by_name_and_file() -> None:
    """The password stays in its file, which Alertmanager reads."""
    account = {
        "VOXTRACE_ALERT_SMTP_USER": "voxtrace",
        "VOXTRACE_ALERT_SMTP_PASSWORD_FILE": "/run/secrets/smtp",
    }
    (email,) = receivers(EMAIL | account)["page"]["email_configs"]
    assert (email["auth_username"], email["auth_password_file"]) == ("voxtrace", "/run/secrets/smtp")


def test_an_address_may_come_from_a_file(tmp_path: Path) -> None:
    """Where an address is a secret, _FILE names what holds it."""
    file = tmp_path / "webhook"
    file.write_text("http://127.0.0.1:9/secret\n")
    (webhook,) = receivers({"VOXTRACE_ALERT_WEBHOOK_URL_FILE": str(file)})["page"]["webhook_configs"]
    assert webhook["url"] == "http://127.0.0.1:9/secret"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which variable, which file and why."""
    with pytest.raises(
        NativeError, match=r"VOXTRACE_ALERT_WEBHOOK_URL_FILE is '.*nowhere', which cannot be read"
    ):
        configuration({"VOXTRACE_ALERT_WEBHOOK_URL_FILE": str(tmp_path / "nowhere")})


def test_half_a_channel_is_refused() -> None:
    """What is missing is named: a receiver that is silently left out would be missed too late."""
    with pytest.raises(
        NativeError, match="by email need VOXTRACE_ALERT_EMAIL_FROM, VOXTRACE_ALERT_SMTP_HOST too"
    ):
        configuration({"VOXTRACE_ALERT_EMAIL_TO": "ops@example.com"})


def test_a_value_is_no_yaml() -> None:
    """Whatever an address holds, it is an address."""
    odd = 'http://x/: [{"a": 1}] # ${HOME} {{ .Status }}'
    (webhook,) = receivers({"VOXTRACE_ALERT_WEBHOOK_URL": odd})["page"]["webhook_configs"]
    assert webhook["url"] == odd


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """It may hold a secret address; one that others could read before, they cannot after."""
    (tmp_path / "alertmanager.yml").touch(mode=0o644)
    path = write(tmp_path, WEBHOOK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert yaml.safe_load(path.read_text()) == configuration(WEBHOOK)


def test_it_waits_less_at_a_faster_pace() -> None:
    """The setting that makes rules faster makes Alertmanager tell of them as much sooner."""
    route = configuration({"VOXTRACE_RULE_TIME_SCALE": "10"})["route"]
    assert (route["group_wait"], route["group_interval"]) == ("3s", "30s")
