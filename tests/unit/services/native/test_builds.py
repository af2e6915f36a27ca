"""A program is built once per set of inputs, from the versions in .env, with a readable failure."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from voxtrace_services.native import BuildError, MissingPartError
from voxtrace_services.native.builds import Build
from voxtrace_services.native.layout import root, setting


def _silent(_line: str) -> None:
    """Say nothing."""


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one program to build, a cache of its own, and a PATH with a `go` that does nothing."""
    (tmp_path / "collector-config").mkdir()
    (tmp_path / ".env").write_text("DEMO_VERSION=1.2.3\n")
    sources = tmp_path / "deploy" / "native" / "demo"
    sources.mkdir(parents=True)
    (sources / "input").write_text("one")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "cp"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    (programs / "go").write_text("#!/bin/sh\n")
    (programs / "go").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("VOXTRACE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def _build(*step: str) -> Build:
    return Build(
        program="demo",
        inputs="demo",
        version_variable="DEMO_VERSION",
        steps=(step or ("cp", "input", "demo"),),
    )


def test_a_build_is_kept_outside_the_checkouts_sources(checkout: Path) -> None:
    """The built program lies in the cache, and nothing is written beside its inputs."""
    found = _build().make(_silent)

    assert found.read_text() == "one"
    assert found.is_relative_to(checkout / "cache" / "voxtrace" / "demo")
    assert [path.name for path in (checkout / "deploy" / "native" / "demo").iterdir()] == ["input"]


def test_it_is_built_once(checkout: Path) -> None:
    """With unchanged inputs the second call runs nothing."""
    build = _build()
    said: list[str] = []

    assert build.make(_silent) == build.make(said.append)
    assert said == []


def test_changed_inputs_are_built_anew(checkout: Path) -> None:
    """Another input is another program; the first stays."""
    before = _build().make(_silent)
    (checkout / "deploy" / "native" / "demo" / "input").write_text("two")

    after = _build().make(_silent)

    assert (before.read_text(), after.read_text()) == ("one", "two")


def test_a_binary_on_path_is_used_instead(checkout: Path) -> None:
    """A program of that name on PATH spares the build."""
    given = checkout / "bin" / "demo"
    given.write_text("#!/bin/sh\n")
    given.chmod(0o755)

    assert _build("sh", "-c", "exit 1").make(_silent) == given


def test_a_failed_build_shows_its_output(checkout: Path) -> None:
    """The error holds what the build said, and no half-made program is kept."""
    build = _build("sh", "-c", "echo cannot find module v{version}; exit 1")

    with pytest.raises(BuildError, match=re.escape("cannot find module v1.2.3")):
        build.make(_silent)

    assert build.find() is None


def test_without_go_the_error_says_how_to_get_it(checkout: Path) -> None:
    """A machine without Go is told what to install, and why."""
    (checkout / "bin" / "go").unlink()

    with pytest.raises(MissingPartError, match=r"demo is built with Go.*install Go"):
        _build().make(_silent)


def test_with_an_old_go_the_error_says_how_to_get_a_newer_one(checkout: Path) -> None:
    """A Go that is older than the builds need is told apart before it fails in riddles."""
    (checkout / "bin" / "go").write_text("#!/bin/sh\necho go version go1.24.13 linux/amd64\n")

    with pytest.raises(MissingPartError, match=r"demo is built with Go.*too old.*install Go 1\.25 or newer"):
        _build().make(_silent)


@pytest.mark.parametrize("version", ["go1.25.0", "go2.0", "devel"])
def test_a_recent_go_builds(checkout: Path, version: str) -> None:
    """The oldest Go that will do builds, and so do later ones and one that does not tell."""
    (checkout / "bin" / "go").write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")

    assert _build().make(_silent).exists()


def test_manifests_name_the_versions_in_env() -> None:
    """The Collector's manifest, Jaeger's module and Kustomize's ask for the versions that .env states."""
    native = root() / "deploy" / "native"
    collector = setting("VOXTRACE_COLLECTOR_VERSION")
    jaeger = setting("VOXTRACE_JAEGER_VERSION")
    manifest = (native / "otelcol" / "builder.yaml").read_text()
    components = re.findall(r"gomod: (\S+) v(\S+)", manifest)

    assert f"version: {collector}\n" in manifest
    assert {version for module, version in components if "/confmap/" not in module} == {collector}
    assert f"github.com/jaegertracing/jaeger v{jaeger}\n" in (native / "jaeger" / "go.mod").read_text()
    kustomize = f"sigs.k8s.io/kustomize/kustomize/v5 v{setting('VOXTRACE_KUSTOMIZE_VERSION')} "
    assert kustomize in (native / "kustomize" / "go.mod").read_text()
