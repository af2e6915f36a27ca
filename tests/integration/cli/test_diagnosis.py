"""Looking into a platform that is up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

from integration.cli.command import NULL_ENGINES, Voxtrace
from voxtrace_services.cli.recording import default_recording

if TYPE_CHECKING:
    from pathlib import Path


def test_health_of_every_service(voxtrace: Voxtrace) -> None:
    """Every service is shown with its checks; when one dies the exit code is 1 and it is named."""
    assert voxtrace("up", **NULL_ENGINES).returncode == 0
    well = voxtrace("health", "--json")
    table = voxtrace("health")
    assert (well.returncode, table.returncode) == (0, 0), table.stderr
    services = {one["name"]: one["report"] for one in json.loads(well.stdout)["services"]}
    assert set(services) == {"epmd", "rabbitmq", "console", "asr", "translation", "synthesis", "gateway"}
    assert set(services["asr"]["checks"]) == {"broker", "engine", "artifacts", "disk"}
    assert services["gateway"]["resources"]["memory_rss_bytes"] > 0
    assert "artifacts" in table.stdout
    processes = json.loads(voxtrace("status", "--json").stdout)["processes"]
    os.kill(next(one["pid"] for one in processes if one["name"] == "asr"), signal.SIGSTOP)
    failing = voxtrace("health")
    assert failing.returncode == 1
    assert "asr (no answer)" in failing.stderr
    os.kill(next(one["pid"] for one in processes if one["name"] == "asr"), signal.SIGCONT)
    assert voxtrace("down").returncode == 0
    gone = voxtrace("health")
    assert (gone.returncode, gone.stderr) == (
        3,
        "voxtrace: Nothing is up. Start the platform with: voxtrace up\n",
    )


def test_profile_of_a_worker(platform: Voxtrace, tmp_path: Path) -> None:
    """A profile taken during an upload shows Whisper at work and names the upload's trace, which names it."""
    line = platform.line("profile", "asr", "--for", "15s", "--save", str(tmp_path / "asr.txt"))
    with subprocess.Popen(line, env=platform.environment, stdout=subprocess.PIPE, text=True) as taking:
        upload = platform("upload", str(default_recording()), "--wait", "--json")
        assert upload.returncode == 0, upload.stderr
        output, _ = taking.communicate(timeout=120)
    trace = json.loads(upload.stdout)["trace_id"]
    assert f"covers trace {trace}" in output
    assert "FasterWhisper.transcribe" in (tmp_path / "asr.txt").read_text()
    path = next(line for line in output.splitlines() if line.startswith("page")).rpartition("/v1/")[2]
    shown = platform("trace", trace, "--json")
    assert f'"stringValue": "/v1/{path}"' in shown.stdout
