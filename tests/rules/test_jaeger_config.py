"""Jaeger's configuration: every storage is accepted by Jaeger itself, and its page links to what there is."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from voxtrace_services.native.builds import JAEGER
from voxtrace_services.native.layout import root

FOLDER = root() / "deploy" / "jaeger"
STORAGES = sorted((FOLDER / "storage").glob("*.yaml"))
#: What a storage asks for and has no default.
SECRETS = {"VOXTRACE_CASSANDRA_PASSWORD": "x", "VOXTRACE_CLICKHOUSE_PASSWORD": "x"}
PORTS = {name: value or "" for name, value in dotenv_values(root() / ".env").items()}


def validate(*files: Path) -> subprocess.CompletedProcess[str]:
    """Have Jaeger judge a configuration, without running it."""
    program = JAEGER.find()
    assert program is not None, "python -m voxtrace_services.native build"
    return subprocess.run(
        [program, "validate", *(part for file in files for part in ("--config", str(file)))],
        capture_output=True,
        check=False,
        env={**os.environ, **SECRETS},
        text=True,
    )


@pytest.mark.parametrize("storage", STORAGES, ids=lambda path: path.stem)
def test_each_storage_is_valid(storage: Path) -> None:
    """Jaeger accepts its configuration with each kind of storage."""
    answer = validate(FOLDER / "config.yaml", storage)

    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("storage", STORAGES, ids=lambda path: path.stem)
def test_a_misspelt_setting_is_noticed(storage: Path, tmp_path: Path) -> None:
    """Jaeger refuses a storage with a setting that it does not know."""
    kind = re.search(r"^ {8}(\w+):$", storage.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert kind is not None
    wrong = tmp_path / storage.name
    wrong.write_text(storage.read_text(encoding="utf-8").replace(kind[0], f"{kind[0]}\n          a_typo: 1"))

    assert "a_typo" in validate(FOLDER / "config.yaml", wrong).stderr


def test_no_storage_is_no_configuration() -> None:
    """Without a file of storage/ Jaeger does not start, rather than keep traces nowhere."""
    assert "at least one storage is required" in validate(FOLDER / "config.yaml").stderr


def test_no_password_has_a_default() -> None:
    """Passwords come from a file or from the environment, and nothing stands in for one that is missing."""
    text = "".join(path.read_text(encoding="utf-8") for path in STORAGES)

    assert re.findall(r"\bpassword: (.*)", text) == [f"${{env:{name}}}" for name in SECRETS]


def links() -> list[dict[str, Any]]:
    """The links that Jaeger's page makes."""
    found: list[dict[str, Any]] = json.loads((FOLDER / "ui.json").read_text(encoding="utf-8"))["linkPatterns"]
    return found


def test_the_page_links_to_the_ports_of_env() -> None:
    """Grafana and the console are where `.env` says."""
    found = {re.sub(r"(http://[^/]+).*", r"\1", link["url"]) for link in links()}

    assert found == {
        f"http://127.0.0.1:{PORTS[name]}" for name in ("VOXTRACE_GRAFANA_PORT", "VOXTRACE_CONSOLE_PORT")
    }
