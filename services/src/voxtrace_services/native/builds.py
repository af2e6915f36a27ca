"""Programs built from their Go modules, once per set of inputs, outside the checkout."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxtrace_services.native.errors import BuildError, MissingPartError
from voxtrace_services.native.layout import builds, root, setting

if TYPE_CHECKING:
    from collections.abc import Callable

_TAIL_LINES = 25
_GO_OLDEST = (1, 25)
_GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)")
GO_HINT = "install Go 1.25 or newer from go.dev/dl and put it on PATH"


def find_go() -> Path | None:
    """Go on PATH; None where there is none, or only one that is too old for our builds."""
    found = shutil.which("go")
    if found is None:
        return None
    answer = subprocess.run([found, "version"], capture_output=True, check=False, text=True)
    version = _GO_VERSION.search(answer.stdout)
    # One that does not tell its version gets its chance: the build will say what it lacks.
    recent = version is None or (int(version[1]), int(version[2])) >= _GO_OLDEST
    return Path(found) if recent else None


@dataclass(frozen=True, kw_only=True)
class Build:
    """
    One program and how to make it.

    Attributes:
        program: its file name; one of that name on PATH is used instead.
        inputs: folder below deploy/native/ with everything the build reads.
        steps: command lines run in a copy of the inputs; `{version}` is the one in `.env`.
        version_variable: where `.env` has its version.
    """

    program: str
    inputs: str
    steps: tuple[tuple[str, ...], ...]
    version_variable: str

    def find(self) -> Path | None:
        """The program on PATH, else the one built earlier from the same inputs."""
        on_path = shutil.which(self.program)
        if on_path:
            return Path(on_path)
        return self.cached if self.cached.exists() else None

    @property
    def cached(self) -> Path:
        """Where the program lies once it is built."""
        return builds() / self.inputs / self._fingerprint() / self.program

    def make(self, on_progress: Callable[[str], None]) -> Path:
        """
        Find the program, building it first where that is needed.

        Raises:
            MissingPartError: when there is no Go to build it with, or an old one.
            BuildError: when the build fails.
        """
        if (found := self.find()) is not None:
            return found
        if find_go() is None:
            state = "too old here" if shutil.which("go") else "not installed"
            raise MissingPartError(f"{self.program} is built with Go, which is {state}: {GO_HINT}.")
        target = self.cached
        target.parent.mkdir(parents=True, exist_ok=True)
        on_progress(f"building {self.program} {self._version()} (once, a few minutes)")
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            source = Path(scratch) / "source"
            shutil.copytree(self._sources(), source)
            for step in self._commands():
                self._run(step, source, on_progress)
            # A rename is atomic: nobody ever starts half a program.
            (source / self.program).replace(target)
        return target

    def _run(self, step: list[str], folder: Path, on_progress: Callable[[str], None]) -> None:
        # Pure Go: no C compiler is needed, and the result runs on any distribution.
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
        tail: list[str] = []
        with subprocess.Popen(
            step,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as child:
            assert child.stdout is not None  # noqa: S101  PIPE was asked for
            for line in child.stdout:
                tail = [*tail[1 - _TAIL_LINES :], line.rstrip()]
                on_progress(line.rstrip())
        if child.returncode != 0:
            raise BuildError("\n".join([f"{self.program} did not build: {' '.join(step)}", *tail]))

    def _commands(self) -> list[list[str]]:
        return [[part.replace("{version}", self._version()) for part in step] for step in self.steps]

    def _version(self) -> str:
        return setting(self.version_variable)

    def _sources(self) -> Path:
        return root() / "deploy" / "native" / self.inputs

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr(self._commands()).encode())
        for path in sorted(self._sources().rglob("*")):
            if path.is_file():
                digest.update(path.relative_to(self._sources()).as_posix().encode() + b"\0")
                digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


COLLECTOR = Build(
    program="otelcol-contrib",
    inputs="otelcol",
    version_variable="VOXTRACE_COLLECTOR_VERSION",
    steps=(
        (
            *("go", "run", "go.opentelemetry.io/collector/cmd/builder@v{version}"),
            *("--skip-compilation", "--config", "builder.yaml"),
        ),
        (
            *("go", "build", "-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"),
            *("-o", "otelcol-contrib", "."),
        ),
    ),
)

_JAEGER_MODULE = "github.com/jaegertracing/jaeger"
JAEGER = Build(
    program="jaeger",
    inputs="jaeger",
    version_variable="VOXTRACE_JAEGER_VERSION",
    steps=(
        (
            *("go", "build", "-v", "-trimpath", "-buildvcs=false"),
            f"-ldflags=-s -w -X {_JAEGER_MODULE}/internal/version.latestVersion=v{{version}}",
            *("-o", "jaeger", f"{_JAEGER_MODULE}/cmd/jaeger"),
        ),
    ),
)

# For tests alone: renders deploy/kubernetes.
KUSTOMIZE = Build(
    program="kustomize",
    inputs="kustomize",
    version_variable="VOXTRACE_KUSTOMIZE_VERSION",
    steps=(
        (
            *("go", "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"),
            *("-o", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
        ),
    ),
)

BUILDS = (COLLECTOR, JAEGER, KUSTOMIZE)


def built(build: Build) -> Path:
    """
    A program that can be started.

    Raises:
        MissingPartError: when it is neither on PATH nor built.
    """
    if (found := build.find()) is None:
        raise MissingPartError(
            f"{build.program} is neither on PATH nor built: python -m voxtrace_services.native build"
        )
    return found
