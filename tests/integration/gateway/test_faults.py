"""`voxtrace fault` against real gateways."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from voxtrace_services.cli.errors import ProblemError
from voxtrace_services.cli.fault import app

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration.gateway.conftest import Gateway
    from voxtrace_services.native import RabbitMQ


def fault(gateway: Gateway, *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, [*arguments, "--gateway", gateway.url])


def test_on_and_off(gateways: Callable[..., Gateway], rabbitmq: RabbitMQ) -> None:
    """A fault that is switched on is listed until it is switched off, and harms nobody else."""
    gateway = gateways(rabbitmq.url, VOXTRACE_FAULTS="on")
    told = fault(gateway, "on", "slow-disk", "--service", "gateway", "--seconds", "0.1", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["seconds"] == 0.1
    said = fault(gateway, "on", "cold-cache", "--minutes", "2")
    assert "every service that it can befall" in said.stdout
    listed = fault(gateway, "list")
    assert "gateway for 1" in next(line for line in listed.stdout.splitlines() if "slow-disk" in line)
    on = json.loads(fault(gateway, "list", "--json").stdout)["on"]
    assert [one["name"] for one in on] == ["slow-disk", "cold-cache"]
    assert gateway.send().status_code == 202
    assert "Still on: slow-disk." in fault(gateway, "off", "cold-cache").stdout
    assert json.loads(fault(gateway, "off", "--json").stdout) == {"on": []}


@pytest.mark.parametrize("arguments", [["list"], ["on", "busy-cpu"], ["off"]])
def test_refused(gateways: Callable[..., Gateway], rabbitmq: RabbitMQ, arguments: list[str]) -> None:
    """A gateway that allows no faults names the setting, and the command fails."""
    told = fault(gateways(rabbitmq.url), *arguments)
    assert isinstance(told.exception, ProblemError)
    assert told.exception.code == "faults_off"
    assert "VOXTRACE_FAULTS=on" in str(told.exception)


@pytest.mark.parametrize(
    ("arguments", "known"), [(["on", "gremlins"], "busy-cpu"), (["on", "busy-cpu", "--service", "x"], "asr")]
)
def test_unknown(arguments: list[str], known: str) -> None:
    """An unknown fault or service is refused by the command itself, which names those there are."""
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 2
    assert known in told.output
