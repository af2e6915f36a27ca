"""The images that docker-compose.yml names: here already, pulled, or where that cannot be, stood in for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from compose.engine import BuildFailedError, docker
from voxtrace_services.native.builds import COLLECTOR, JAEGER
from voxtrace_services.native.install import install
from voxtrace_services.native.layout import builds

HERE = Path(__file__).parent
BASE = "voxtrace/stand-in"
#: This machine's: where the outside is reached through a gateway with an authority of its own, pip must know.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PULL_SECONDS = 300
#: A registry that cannot be reached is found out with the first image.
_UNREACHABLE = re.compile(
    r"dial tcp|no such host|i/o timeout|connection refused|Client\.Timeout|TLS handshake|EOF"
)


def provide(names: set[str]) -> dict[str, str]:
    """See to it that each image is here; how each came."""
    reachable, found = True, {}
    for name in sorted(names):
        if docker("image", "inspect", name, check=False).returncode == 0:
            found[name] = "present"
        elif reachable and (answer := _pull(name)) is None:
            found[name] = "pulled"
        else:
            # Another answer than silence is about this one image: a tag that does not exist must be noticed.
            if reachable and not _UNREACHABLE.search(answer or ""):
                raise BuildFailedError(f"{name} cannot be pulled: {answer}")
            reachable = False
            found[name] = "stands in"
    _stand_in(sorted(name for name, how in found.items() if how == "stands in"))
    return found


def _pull(name: str) -> str | None:
    try:
        answer = docker("pull", "--quiet", name, check=False, seconds=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return "i/o timeout"
    return None if answer.returncode == 0 else answer.stderr.strip()


def _stand_in(names: list[str]) -> None:
    if not names:
        return
    if docker("image", "inspect", BASE, check=False).returncode != 0:
        _bootstrap()
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        templates = Path("/usr/share/prometheus/alertmanager").glob("*.tmpl")
        for file in (*(HERE / "stand-ins").iterdir(), CERTIFICATES, *templates):
            shutil.copy(file, context / file.name)
        for name, program in _programs().items():
            assert program, f"{name} is not here: make setup"
            # Another copy of 90 MB is not needed: the engine reads it once.
            _link(Path(program).resolve(), context / name)
        for name in names:
            target = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
            docker("build", "--quiet", "--target", target, "--tag", name, str(context), seconds=600)


def _programs() -> dict[str, Path | str | None]:
    return {
        "otelcol-contrib": COLLECTOR.find(),
        "jaeger": JAEGER.find(),
        "prometheus": shutil.which("prometheus"),
        "alertmanager": shutil.which("prometheus-alertmanager") or shutil.which("alertmanager"),
    }


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy(source, target)


def _bootstrap() -> None:
    """Make the smallest Debian there is, and give it to the engine; it is kept where builds are."""
    install("stand-ins", print)
    archive = builds() / "stand-in" / "bookworm.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            made = Path(folder) / "bookworm.tar"
            # As a tar: the tree itself would need devices, which not every machine may make.
            command = ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv"]
            _run([*command, "bookworm", f"{folder}/tree"])
            _run(["tar", "-C", f"{folder}/tree", "--exclude=./var/cache/apt/*", "-cf", str(made), "."])
            made.replace(archive)
    docker("import", str(archive), BASE, seconds=300)


def _run(command: list[str]) -> None:
    answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
    if answer.returncode != 0:
        raise BuildFailedError(f"{command[0]} failed:\n{(answer.stdout + answer.stderr)[-2000:]}")
