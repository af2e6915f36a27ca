"""Argos with three languages that are near at hand, and far from any other of this machine's."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from integration.argos.packages import build
from voxtrace.engines import ArgosInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.testing import CapturedTelemetry


@pytest.fixture(scope="session")
def argos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module `argostranslate.translate`, with packages for English to Spanish and Spanish to German."""
    folder = tmp_path_factory.mktemp("argos")
    with pytest.MonkeyPatch.context() as patch:
        # Argos reads these when it is imported, and makes the folders.
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "ARGOS_PACKAGES_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        translate, package = _imported()
        for source, target in (("en", "es"), ("es", "de")):
            package.install_from_path(build(folder, source, target))
        yield translate


def _imported() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        # Stanza is written in escapes that Python frowns upon when it compiles them.
        warnings.simplefilter("ignore")
        return tuple(importlib.import_module(f"argostranslate.{name}") for name in ("translate", "package"))


@pytest.fixture
def fresh(argos: Any) -> Any:
    """The module, with no model loaded and nothing cached."""
    argos.installed_translates.clear()
    argos.get_installed_languages.cache_clear()
    return argos


@pytest.fixture
def instrumented(telemetry: CapturedTelemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Argos instrumented, on the real clock: here durations are compared."""
    monkeypatch.undo()
    ArgosInstrumentor().instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    yield
    ArgosInstrumentor().uninstrument()
