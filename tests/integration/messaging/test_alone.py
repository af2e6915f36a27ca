"""`voxtrace.messaging` alone: installed from its own metadata, beside an SDK that contrib does not fit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration.messaging.children import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace_services.native import RabbitMQ

LIBRARY = Path(__file__).resolve().parents[3] / "otel"
#: Newer than the SDK of the distro; no release of the contrib packages fits it.
SDK = "1.45.2"


def uv(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the installer."""
    program = Path(sys.executable).with_name("uv")
    return subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=120
    )


def resolved(*wanted: str) -> subprocess.CompletedProcess[str]:
    """What the installer would install."""
    return uv("pip", "compile", "--no-header", "--no-annotate", "-", stdin="\n".join(wanted))


@pytest.fixture(name="python")
def _python(tmp_path: Path) -> Path:
    """An environment that holds the library as a user installs it, and that SDK."""
    made = uv("venv", "--python", sys.executable, str(tmp_path / "venv"))
    assert made.returncode == 0, made.stderr
    python = tmp_path / "venv" / "bin" / "python"
    # Without a refresh, uv takes the wheel that it built of a checkout before.
    installing = ("pip", "install", "--python", str(python), "--refresh-package", "voxtrace")
    installed = uv(*installing, f"{LIBRARY}[pika]", f"opentelemetry-sdk=={SDK}")
    assert installed.returncode == 0, installed.stderr
    return python


@pytest.mark.parametrize(("extras", "fits"), [("pika", True), ("distro,pika", False)])
def test_the_newest_sdk_is_refused_by_the_distro_alone(extras: str, fits: bool) -> None:
    """The library takes the SDK it is given; the distro, whose parts fit one SDK only, says no."""
    answer = resolved(f"voxtrace[{extras}] @ {LIBRARY.as_uri()}", f"opentelemetry-sdk=={SDK}")
    assert (answer.returncode == 0) is fits, answer.stderr
    assert (f"opentelemetry-sdk=={SDK}\n" in answer.stdout) is fits


def test_it_runs_beside_an_sdk_that_contrib_does_not_fit(
    rabbitmq: RabbitMQ, queue: Callable[..., str], python: Path
) -> None:
    """With SDK 1.45.2 it traces a message; it brings neither contrib nor wrapt, and imports the API alone."""
    name = queue("alone")
    answer = subprocess.run(
        [python, "-I", PROGRAMS / "alone.py", rabbitmq.url, name],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    brought = found.pop("brought")
    assert found == {
        "sdk": SDK,
        "wrapt": False,
        "contrib": [],
        "spans": [f"publish {name}", f"wait {name}", f"process {name}"],
        "traces": 1,
    }
    assert "opentelemetry.trace" in brought
    absent = {"opentelemetry.sdk", "opentelemetry.instrumentation", "opentelemetry.semconv", "wrapt"}
    assert not absent & set(brought)
