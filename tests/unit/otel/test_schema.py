"""The schema is the one source of names: the code, the page and what is measured agree with it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import constants
import page
import pytest
import registry
from registry import MODEL, SchemaError

from voxtrace import semconv
from voxtrace._metric import Metric

ROOT = Path(__file__).resolve().parents[3]
CODE = [path for path in (ROOT / "otel/src/voxtrace").rglob("*.py") if path.name != "semconv.py"]

SCHEMA = registry.load()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the model, to be changed."""
    return Path(shutil.copytree(MODEL, tmp_path / "model"))


def _change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_module_is_written_from_the_schema() -> None:
    """`voxtrace.semconv` is what `make schema` writes."""
    module = (ROOT / "otel/src/voxtrace/semconv.py").read_text(encoding="utf-8")
    assert module == constants.render(SCHEMA)


def test_the_page_is_written_from_the_schema() -> None:
    """docs/telemetry.md is what `make schema` writes."""
    assert (ROOT / "docs/telemetry.md").read_text(encoding="utf-8") == page.render(SCHEMA)


def test_every_name_of_the_schema_is_emitted_by_code() -> None:
    """The schema promises no attribute, metric or event that no code refers to."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE)
    named = set(re.findall(r"\bsemconv\.([A-Z0-9_]+)\b|\b(VOXTRACE_LINK_REASON\w*)\b", code))
    used = {name for pair in named for name in pair}
    promised = {
        name
        for name, value in vars(semconv).items()
        if name.isupper() and isinstance(value, str | Metric) and name not in {"SPEECH", "SCHEMA_URL"}
    }
    assert promised - used == set()


def test_no_code_writes_a_name_by_hand() -> None:
    """Names of attributes and metrics stand in the schema, and nowhere else in the library."""
    constants = [value for name, value in vars(semconv).items() if name.isupper()]
    names = {value.name if isinstance(value, Metric) else value for value in constants}
    written = {
        (path.name, name)
        for path in CODE
        for name in re.findall(r"[\"']([a-z_]+(?:\.[a-z_]+)+)[\"']", path.read_text(encoding="utf-8"))
        if name in names
    }
    assert written == set()


def test_a_reference_to_nothing_is_refused(model: Path) -> None:
    """A span that refers to an attribute that is not there names both in the error."""
    _change(model / "attributes.yaml", "id: speech.asr.task", "id: speech.asr.job")
    with pytest.raises(SchemaError, match=r"span\.speech\.speech_to_text refers to speech\.asr\.task"):
        registry.load(model)


def test_an_attribute_that_nothing_has_is_refused(model: Path) -> None:
    """An attribute that no span, event or metric refers to is an error."""
    _change(model / "spans.yaml", "      - {ref: speech.asr.task, requirement_level: recommended}\n", "")
    with pytest.raises(SchemaError, match=r"speech\.asr\.task: no span"):
        registry.load(model)


def test_a_name_written_twice_is_refused(model: Path) -> None:
    """Two entries of one name are an error."""
    _change(model / "attributes.yaml", "id: speech.asr.task", "id: speech.asr.device")
    with pytest.raises(SchemaError, match=r"speech\.asr\.device: written twice"):
        registry.load(model)


def test_who_emits_a_metric_is_said(model: Path) -> None:
    """A metric without its emitter is an error."""
    _change(
        model / "metrics.yaml",
        "{emitted_by: voxtrace.stages, buckets: real_time_factor}",
        "{buckets: duration}",
    )
    with pytest.raises(SchemaError, match=r"metric\.speech\.real_time_factor: say by"):
        registry.load(model)


def test_unknown_buckets_are_refused(model: Path) -> None:
    """Buckets that `buckets.yaml` does not have are an error."""
    _change(model / "metrics.yaml", "buckets: real_time_factor", "buckets: factor")
    with pytest.raises(SchemaError, match="no buckets of the name factor"):
        registry.load(model)
