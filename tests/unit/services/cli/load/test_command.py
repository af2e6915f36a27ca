"""What the command refuses before it sends anything."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from voxtrace_services.cli.errors import TrafficError, UnreachableError
from voxtrace_services.cli.load import command
from voxtrace_services.cli.load.command import load

CONSOLE = "http://127.0.0.1:9"


def test_a_gateway_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway on another machine is asked, and loaded, only where that is allowed."""
    asked: list[str] = []

    def ask(url: str) -> None:
        asked.append(url)
        raise UnreachableError("not today")

    monkeypatch.setattr(command, "_require_answer", ask)
    with pytest.raises(TrafficError, match=r"gateway\.example:8080 is not on this machine.*--allow-remote"):
        load(gateway="http://gateway.example:8080", console=CONSOLE)
    assert asked == []
    with pytest.raises(UnreachableError, match="not today"):
        load(gateway="http://gateway.example:8080", console=CONSOLE, allow_remote=True)


def test_no_gateway(dead_url: str) -> None:
    """A gateway that is not there is said in one line."""
    with pytest.raises(UnreachableError, match=f"No gateway answers at {dead_url}. Start the platform"):
        load(gateway=dead_url, console=CONSOLE)


def test_something_else(serve: Callable[..., str]) -> None:
    """A server that is no gateway is not loaded."""
    console = serve({"GET /health": (200, {"service": "console"})})
    page = serve({"GET /health": (200, b"<html>")})

    for url in (console, page):
        with pytest.raises(UnreachableError, match="does not answer like a gateway"):
            load(gateway=url, console=CONSOLE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faults": "slow=0.1"}, "there is no slow; there are: broken, duplicate, empty"),
        ({"faults": "empty"}, "write empty=0.05"),
        ({"mix": "huge"}, "there is no huge; there are: short, medium, long"),
        ({"to": ""}, "names nothing"),
        ({"duration": "soon"}, "is no duration"),
        ({"settle": "late"}, "is no duration"),
        ({"report": Path("report.pdf")}, r"ends in \.md, \.html or \.json"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    """An option that cannot be is refused with what can, before any server is asked."""
    with pytest.raises(typer.BadParameter, match=message):
        load(gateway="http://gateway.invalid", **options)


def test_without_locust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where locust is missing, its install command is named."""
    monkeypatch.setattr(command, "find_spec", lambda _name: None)

    with pytest.raises(TrafficError, match=r"make setup.*pip install 'voxtrace-services\[load\]'"):
        load(gateway="http://gateway.invalid")


def test_named_servers_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a gateway and a back end named, as in a container, there need be no checkout and no stack."""
    monkeypatch.setattr(command, "resolve", lambda **_: pytest.fail("asked where the stack is"))
    gateway, backends = command._servers("http://gateway", None, "http://jaeger")

    assert (gateway, [(backend.name, backend.url) for backend in backends]) == (
        "http://gateway",
        [("jaeger", "http://jaeger")],
    )


def test_gevent_stays_out_of_the_command() -> None:
    """The command's own process is not patched by gevent: that is for the process that sends."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, voxtrace_services.cli.app; print('gevent' in sys.modules, 'locust' in sys.modules)",
        ],
        capture_output=True,
        check=True,
        text=True,
    )

    assert done.stdout == "False False\n"


def test_gevent_stays_out_of_the_tests(pytestconfig: pytest.Config) -> None:
    """Locust's pytest plugin, whose fixtures would have gevent patch the tests, is not in use."""
    assert not pytestconfig.pluginmanager.hasplugin("locust")
