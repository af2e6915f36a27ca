"""Imports go one way, and what is private stays private (ARCHITECTURE.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

import voxtrace_services

SERVICES = ("gateway", "asr", "translation", "synthesis", "console")


@pytest.fixture(scope="module", name="graph")
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("voxtrace", "voxtrace_services", cache_dir=None)


def imports_of(graph: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    """Yield every (importer, imported) pair of the graph."""
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            yield importer, imported


def service_of(module: str) -> str | None:
    """Name the service that a module belongs to, or None."""
    parts = module.split(".")
    return parts[1] if parts[0] == "voxtrace_services" and len(parts) > 1 and parts[1] in SERVICES else None


def is_foreign_private(importer: str, imported: str) -> bool:
    """Tell whether a module reaches into a private module that does not belong to its own package."""
    parts = imported.split(".")
    for depth, part in enumerate(parts):
        if part.startswith("_"):
            owner = ".".join(parts[:depth])
            return not (importer == owner or importer.startswith(f"{owner}."))
    return False


def private_names_of_the_library(source: str) -> list[str]:
    """List what a module takes from `voxtrace` although its name is private there, as `module.name`."""
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "voxtrace"
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.endswith("__")
    ]


def test_no_service_imports_a_sibling(graph: grimp.ImportGraph) -> None:
    """A service never imports another service."""
    offences = [
        f"{importer} -> {imported}"
        for importer, imported in imports_of(graph)
        if service_of(importer) and service_of(imported) and service_of(importer) != service_of(imported)
    ]
    assert offences == []


def test_no_module_imports_a_private_module_of_another_package(graph: grimp.ImportGraph) -> None:
    """Modules that start with an underscore are imported by their own package alone."""
    offences = [
        f"{importer} -> {imported}"
        for importer, imported in imports_of(graph)
        if is_foreign_private(importer, imported)
    ]
    assert offences == []


def test_the_library_knows_nothing_of_the_services(graph: grimp.ImportGraph) -> None:
    """`voxtrace` imports nothing from `voxtrace_services`."""
    offences = [
        f"{importer} -> {imported}"
        for importer, imported in imports_of(graph)
        if importer.split(".")[0] == "voxtrace" and imported.split(".")[0] == "voxtrace_services"
    ]
    assert offences == []


def test_no_service_imports_a_private_name_of_the_library() -> None:
    """The services take public names alone from `voxtrace`'s public modules."""
    offences = {
        str(path): names
        for path in Path(voxtrace_services.__path__[0]).rglob("*.py")
        if (names := private_names_of_the_library(path.read_text(encoding="utf-8")))
    }
    assert offences == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from voxtrace.telemetry import Telemetry, _name", ["voxtrace.telemetry._name"]),
        ("def late():\n    from voxtrace import _guard as guard", ["voxtrace._guard"]),
        ("from voxtrace import __version__, configure", []),
        ("from voxtrace_services.core.engines import _kill\nfrom . import _own", []),
    ],
)
def test_the_rule_on_private_names_can_fail(source: str, expected: list[str]) -> None:
    """The rule above catches a private name wherever it is imported, and no other name."""
    assert private_names_of_the_library(source) == expected


@pytest.mark.parametrize(
    ("importer", "imported", "expected"),
    [
        ("voxtrace_services.gateway.app", "voxtrace._guard", True),
        ("voxtrace.messaging.delivery", "voxtrace._guard", False),
        ("voxtrace.messaging.delivery", "voxtrace.engines._names", True),
        ("voxtrace.engines.espeak_ng", "voxtrace.engines._names", False),
    ],
)
def test_the_private_rule_tells_friend_from_stranger(importer: str, imported: str, expected: bool) -> None:
    """The rule above catches a stranger and lets the owner through."""
    assert is_foreign_private(importer, imported) is expected
