"""docker-compose.yml run for real, once for all tests of this folder; it gets what tests/e2e sends."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from compose import images
from compose.composed import Composed
from compose.engine import EngineMissingError, engine
from e2e.conftest import _clips, _polls, _recordings, _traces, _uploads  # noqa: F401  fixtures, by their names
from voxtrace_services.native.layout import root
from voxtrace_services.native.ports import Ports

HERE = Path(__file__).parent
BUILD_SECONDS = 1500
#: Restarts everything, which the other modules' counts would not outlive.
LAST = "test_restart"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """However tests are shuffled, those that restart the platform come last; the first has to build it."""
    items.sort(key=lambda item: item.path.stem == LAST)
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS + 900))


@pytest.fixture(scope="session", name="built")
def _built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Docker engine that has every image: those of others, and ours, built by the Dockerfile."""
    try:
        with engine(tmp_path_factory.mktemp("engine")):
            # A project of its own for the build: images have no project.
            begun = time.monotonic()
            project = Composed(name="voxtrace-build", ports=Ports.load(), profile="*")
            ours = {
                name for name in project.run("config", "--images").split() if name.startswith("voxtrace/")
            }
            others = set(project.run("config", "--images").split()) - ours
            others.add(_setting("VOXTRACE_PYTHON_IMAGE"))
            found = images.provide(others)
            provided = time.monotonic()
            project.build(BUILD_SECONDS)
            ended = time.monotonic()
            print(f"\nimages: {found}")  # noqa: T201  with -s: what these tests ran on, and where time went
            print(f"others in {provided - begun:.0f} s, ours in {ended - provided:.0f} s")  # noqa: T201
            yield
    except EngineMissingError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session", name="pipeline")
def _pipeline(built: None) -> Iterator[Composed]:
    """Everything of profile `full`, with the troubles of tests/e2e."""
    project = Composed(name=f"voxtrace-e2e-{os.getpid()}", ports=Ports.free(), files=(HERE / "trouble.yaml",))
    try:
        project.up()
        yield project
    finally:
        project.down(volumes=True)


@pytest.fixture(name="address")
def _address() -> re.Pattern[str]:
    """How the command tells where a trace opens."""
    return re.compile(r"^open +(http://\S+?)/(trace|api/v3/traces)/([0-9a-f]{32})$", re.MULTILINE)


def _setting(name: str) -> str:
    value = os.environ.get(name) or dotenv_values(root() / ".env")[name]
    assert value
    return value
