"""docs/messaging.md says everything that is emitted."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from voxtrace import semconv
from voxtrace.messaging import names
from voxtrace.messaging.configuration import Configuration

ROOT = Path(__file__).resolve().parents[4]
EMITTED = sorted(
    value if isinstance(value, str) else value.name
    for name, value in vars(semconv).items()
    if name.startswith(("MESSAGING_", "NET_", "VOXTRACE_", "METRIC_MESSAGING_", "METRIC_VOXTRACE_"))
    # Of profiles on demand and of drills, whatever the work, and of the process as a whole.
    and not name.startswith(("VOXTRACE_PROFILE_", "VOXTRACE_FAULT_", "METRIC_VOXTRACE_PROCESS_"))
)
HEADERS = [value for name, value in vars(names).items() if name.startswith("HEADER_")]


def said(path: str) -> set[str]:
    """Every word in code quotes on a page."""
    text = re.sub(r"```.*?```", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.DOTALL)
    quotes = re.findall(r"`([^`]+)`", text)
    return {word for quote in quotes for word in quote.split()}


@pytest.mark.parametrize("name", EMITTED)
def test_the_page_names_what_is_emitted(name: str) -> None:
    """Each attribute, link reason and metric stands on the page under its full name."""
    assert name in said("docs/messaging.md")


@pytest.mark.parametrize("name", [*HEADERS, names.TRACEPARENT, names.TRACESTATE, names.BAGGAGE])
def test_the_page_names_every_header(name: str) -> None:
    """Each header that is read or written stands on the page."""
    assert name in said("docs/messaging.md")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Configuration)])
def test_the_readme_names_every_setting(field: str) -> None:
    """Each option stands in the table that the page leads to, with its variable unless it is a hook."""
    words = said("otel/README.md")
    assert field in words
    assert field.endswith("_hook") or f"VOXTRACE_MESSAGING_{field.upper()}" in words
