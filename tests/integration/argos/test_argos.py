"""The real Argos on the real CTranslate2, SentencePiece and MiniSBD, with tiny models of random weights."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace.engines import ArgosInstrumentor

if TYPE_CHECKING:
    from voxtrace.testing import CapturedTelemetry

pytestmark = [pytest.mark.argos, pytest.mark.usefixtures("instrumented")]

TEXT = "it was the best of times. it was the worst.\nthe age of wisdom."


def lasted(span: dict[str, Any]) -> float:
    """Return the duration of a span in seconds."""
    return float(span["end"] - span["start"])


def family(telemetry: CapturedTelemetry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the one root span, and its direct children in the order of their start."""
    (root,) = [span for span in telemetry.spans() if "parent" not in span]
    return root, [span for span in telemetry.spans() if span.get("parent") == root["span"]]


def test_a_translation_is_one_root_with_its_loads_inside(fresh: Any, telemetry: CapturedTelemetry) -> None:
    """The first call loads its model and the splitter's, as spans, and counts what went in and came out."""
    translated = fresh.translate(TEXT, "en", "es")
    root, children = family(telemetry)
    assert root["name"] == "translate en-es"
    stages = ["speech.mt.segment", "speech.mt.infer"] * 2
    assert [span["name"] for span in children] == ["speech.model.load en-es", *stages]
    (splitter,) = [span for span in telemetry.spans() if span["name"] == "speech.model.load minisbd"]
    assert splitter["parent"] == children[1]["span"]
    attributes = {name: value for name, value in root["attributes"].items() if not name.endswith(".duration")}
    assert attributes == {
        "gen_ai.operation.name": "translate",
        "gen_ai.output.type": "text",
        "gen_ai.provider.name": "argos",
        "gen_ai.request.model": "en-es",
        "speech.engine.cold": True,
        "speech.translation.infer.count": 2,
        "speech.translation.input.character.count": len(TEXT),
        "speech.translation.input.word.count": 14,
        "speech.translation.output.character.count": len(translated.strip()),
        "speech.translation.output.word.count": sum(
            any(map(str.isalnum, word)) for word in translated.split()
        ),
        "speech.translation.segment.count": 2,
        "speech.translation.sentence.count": 3,
        "speech.translation.source_language": "en",
        "speech.translation.target_language": "es",
    }


def test_a_translation_shows_where_its_time_went(fresh: Any, telemetry: CapturedTelemetry) -> None:
    """Once warm, sentences and inference cover 95 % of the root, and the root 99 % of the wall clock."""
    fresh.translate(TEXT, "en", "es")
    telemetry.clear()
    text = "\n".join(
        f"it was the best of times, or number {number}. it was the worst." * 8 for number in range(9)
    )
    started = time.perf_counter()
    fresh.translate(text, "en", "es")
    wall = time.perf_counter() - started
    root, children = family(telemetry)
    assert len(children) == 18
    assert 0.95 < sum(map(lasted, children)) / lasted(root) <= 1.0
    assert lasted(root) == pytest.approx(wall, rel=0.01, abs=0.002)


def test_a_pivot_is_one_root_over_two_models(fresh: Any, telemetry: CapturedTelemetry) -> None:
    """From English to German leads through Spanish: one root, two loads, and the steps told apart."""
    translation = fresh.get_translation_from_codes("en", "de")
    assert isinstance(translation, fresh.CompositeTranslation)
    (best, *_) = translation.hypotheses("the age of wisdom.", 1)
    root, children = family(telemetry)
    assert (root["name"], root["attributes"]["speech.translation.pivot"]) == ("translate en-de", "es")
    loads = [span["name"] for span in children if "load" in span["name"]]
    assert loads == ["speech.model.load en-es", "speech.model.load es-de"]
    targets = [
        span["attributes"]["speech.translation.target_language"]
        for span in children
        if span["name"] == "speech.mt.infer"
    ]
    assert targets == ["es", "de"]
    assert root["attributes"]["speech.translation.output.character.count"] == len(best.value.strip())


def test_a_second_translation_is_warm(fresh: Any, telemetry: CapturedTelemetry) -> None:
    """Models that are there are not loaded again, and the span says so; a text just seen needs none."""
    for text in ("the age of wisdom.", "the best of times.", "the best of times."):
        fresh.translate(text, "en", "es")
    roots = [span for span in telemetry.spans() if "parent" not in span]
    assert [span["attributes"].get("speech.engine.cold") for span in roots] == [True, False, None]
    assert "speech.translation.infer.count" not in roots[2]["attributes"]
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["count"] == 3


def test_nothing_that_was_translated_is_in_telemetry(fresh: Any, telemetry: CapturedTelemetry) -> None:
    """No word of the text, no word of its translation and no path is in any span or metric."""
    translated = fresh.translate(TEXT, "en", "es")
    emitted = f"{telemetry.spans()} {telemetry.metrics()}".lower()
    assert "/" not in emitted
    assert translated not in emitted
    assert not [word for word in ("best", "worst", "wisdom") if word in emitted]


def test_a_model_that_is_broken_is_the_engines_own_error(
    fresh: Any, telemetry: CapturedTelemetry, tmp_path: Any
) -> None:
    """The exception is that of CTranslate2, and the spans name its type alone."""
    translation = fresh.get_translation_from_codes("en", "es")
    package = translation.underlying.pkg
    whole, package.package_path = package.package_path, tmp_path
    try:
        with pytest.raises(RuntimeError, match="Unable to open file"):
            translation.translate(TEXT)
    finally:
        package.package_path = whole
    root, children = family(telemetry)
    assert root["attributes"]["error.type"] == "RuntimeError"
    assert [(span["name"], span["status"]) for span in children] == [("speech.model.load en-es", "ERROR")]
    assert "/" not in str(telemetry.spans())


def test_a_loaded_model_is_counted_while_it_lives(fresh: Any, telemetry: CapturedTelemetry) -> None:
    """CTranslate2's translators can be watched like any object, and so can the splitter's."""
    fresh.translate(TEXT, "en", "es")
    loaded = {
        point["attributes"]["gen_ai.request.model"]: point["value"]
        for point in telemetry.metrics()["speech.model.loaded"]
    }
    assert loaded == {"en-es": 1, "minisbd": 1}


def test_the_installed_engine_has_the_functions_that_we_wrap(argos: Any) -> None:
    """Names and leading parameters of argostranslate 1.11 are those the wrappers count on."""
    leading = {
        "translate": "q from_code to_code",
        "ITranslation.translate": "self input_text",
        "PackageTranslation.hypotheses": "self input_text num_hypotheses",
        "CompositeTranslation.hypotheses": "self input_text num_hypotheses",
        "CachedTranslation.hypotheses": "self input_text num_hypotheses",
        "sbd.MiniSBDSentencizer.split_sentences": "self text",
        "sbd.StanzaSentencizer.split_sentences": "self text",
        "sbd.MiniSBDSentencizer.lazy_detector": "self",
        "sbd.StanzaSentencizer.lazy_pipeline": "self",
    }
    found = {}
    for name, expected in leading.items():
        *owners, function = name.split(".")
        owner = argos
        for part in owners:
            owner = getattr(owner, part)
        parameters = list(inspect.signature(vars(owner)[function]).parameters)
        found[name] = " ".join(parameters[: len(expected.split())])
    assert found == leading
    english, spanish = (argos.get_language_from_code(code) for code in ("en", "es"))
    package = english.get_translation(spanish).underlying
    assert {"translator", "sentencizer"} <= vars(package).keys()
    assert "detector" in vars(package.sentencizer)


def test_the_result_is_the_same_with_and_without_us(fresh: Any) -> None:
    """Instrumented or not, the engine says the same, and has its own functions back."""
    watched = fresh.translate(TEXT, "en", "de")
    ArgosInstrumentor().uninstrument()
    for owner, name in (
        (fresh.ctranslate2.Translator, "__init__"),
        (fresh.ctranslate2.Translator, "translate_batch"),
    ):
        assert type(vars(owner)[name]).__name__ == "instancemethod"
    assert fresh.translate(f"{TEXT}\n", "en", "de").strip() == watched.strip()
