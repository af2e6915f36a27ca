"""What one translation by Argos looks like as spans and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace.testing import CapturedTelemetry

TEXT = "good day. fine.\nbye."
SHARED = {"gen_ai.provider.name": "argos", "gen_ai.request.model": "es-en"}
STEP = {"speech.translation.source_language": "es", "speech.translation.target_language": "en"}
TRANSLATED = {
    **SHARED,
    **STEP,
    "gen_ai.operation.name": "translate",
    "gen_ai.output.type": "text",
    "speech.engine.cold": True,
    "speech.translation.infer.count": 2,
    "speech.translation.input.character.count": 20,
    "speech.translation.input.word.count": 4,
    "speech.translation.output.character.count": 18,
    "speech.translation.output.word.count": 4,
    "speech.translation.segment.count": 2,
    "speech.translation.sentence.count": 3,
}


def tree(telemetry: CapturedTelemetry) -> list[str]:
    """Return the spans as lines, indented by depth, in the order they started."""
    depth: dict[int, int] = {}
    lines = []
    for span in telemetry.spans():
        depth[span["span"]] = depth.get(span.get("parent", 0), -1) + 1
        lines.append("  " * depth[span["span"]] + span["name"])
    return lines


def root(telemetry: CapturedTelemetry) -> dict[str, Any]:
    """Return the one root span, without what depends on the machine's speed."""
    (span,) = [span for span in telemetry.spans() if span["name"].startswith("translate")]
    kept = {key: value for key, value in span["attributes"].items() if not key.endswith(".duration")}
    return {**span, "attributes": kept}


def by_function(argos: Any) -> str:
    """Translate by the module's function."""
    return str(argos.translate(TEXT, "es", to_code="en"))


def by_method(argos: Any) -> str:
    """Translate by the method of an installed translation."""
    return str(argos.get_translation_from_codes("es", "en").translate(TEXT))


def by_hypotheses(argos: Any) -> str:
    """Ask an installed translation for what it could be."""
    return str(argos.get_translation_from_codes("es", "en").hypotheses(input_text=TEXT)[0].value)


@pytest.mark.parametrize("translate", [by_function, by_method, by_hypotheses])
def test_a_translation_is_one_span_however_it_is_called(
    argos: Any, telemetry: CapturedTelemetry, translate: Callable[[Any], str]
) -> None:
    """Whichever of Argos's nested calls is the outermost is the span; the models load inside it, once."""
    assert translate(argos) == "GOOD DAY. FINE\nBYE"
    assert tree(telemetry) == [
        "translate es-en",
        "  speech.model.load es-en",
        "  speech.mt.segment",
        "    speech.model.load minisbd",
        "  speech.mt.infer",
        "  speech.mt.segment",
        "  speech.mt.infer",
    ]
    assert root(telemetry) == {
        "name": "translate es-en",
        "trace": 1,
        "span": 1,
        "start": 1.0,
        "end": 15.0,
        "attributes": TRANSLATED,
        "events": [
            {
                "name": "gen_ai.evaluation.result",
                "gen_ai.evaluation.name": "length_ratio",
                "gen_ai.evaluation.score.label": "pass",
                "gen_ai.evaluation.score.value": 0.9,
            }
        ],
    }


def test_the_stages_say_which_model_works_on_how_much(argos: Any, telemetry: CapturedTelemetry) -> None:
    """A stage has the languages of its step, a run of the model its sentences, a load its direction."""
    by_function(argos)
    spans = [(span["name"], span.get("attributes", {})) for span in telemetry.spans()]
    count = "speech.translation.sentence.count"
    assert spans[1:] == [
        ("speech.model.load es-en", SHARED),
        ("speech.mt.segment", STEP),
        ("speech.model.load minisbd", {**SHARED, "gen_ai.request.model": "minisbd"}),
        ("speech.mt.infer", {**STEP, count: 2}),
        ("speech.mt.segment", STEP),
        ("speech.mt.infer", {**STEP, count: 1}),
    ]
    assert "/srv" not in str(telemetry.spans())
    assert "good" not in str(telemetry.spans()).lower()


def test_a_pivot_is_one_span_over_two_models(argos: Any, telemetry: CapturedTelemetry) -> None:
    """Through a third language there is one root, which names it, and each model's own stages."""
    assert argos.translate("hey.", "es", "de") == "HEY"
    assert tree(telemetry) == [
        "translate es-de",
        "  speech.model.load es-en",
        "  speech.mt.segment",
        "    speech.model.load minisbd",
        "  speech.mt.infer",
        "  speech.model.load en-de",
        "  speech.mt.segment",
        "    speech.model.load stanza",
        "  speech.mt.infer",
    ]
    attributes = root(telemetry)["attributes"]
    assert attributes["speech.translation.pivot"] == "en"
    assert attributes["speech.translation.sentence.count"] == 2
    steps = [
        span["attributes"]["speech.translation.target_language"]
        for span in telemetry.spans()
        if span["name"] == "speech.mt.infer"
    ]
    assert steps == ["en", "de"]


def test_several_pivots_are_named_in_their_order(argos: Any, telemetry: CapturedTelemetry) -> None:
    """A composite of a composite has two languages in between, told at the method too."""
    argos.get_translation_from_codes("es", "fr").translate("hey.")
    attributes = root(telemetry)["attributes"]
    assert attributes["speech.translation.pivot"] == "en-de"
    assert attributes["speech.translation.source_language"] == "es"
    assert attributes["speech.translation.target_language"] == "fr"


def test_a_direct_way_has_no_pivot_and_is_cold_once(argos: Any, telemetry: CapturedTelemetry) -> None:
    """The first translation of a direction is told from the later ones, which load nothing."""
    for _ in range(2):
        by_function(argos)
    roots = [span["attributes"] for span in telemetry.spans() if span["name"] == "translate es-en"]
    assert [attributes["speech.engine.cold"] for attributes in roots] == [True, False]
    assert not any("speech.translation.pivot" in attributes for attributes in roots)
    assert tree(telemetry)[7:] == ["translate es-en", *["  speech.mt.segment", "  speech.mt.infer"] * 2]


@pytest.mark.parametrize("warm", [("es", "en"), ("en", "de")])
def test_a_half_cold_pivot_is_cold(argos: Any, telemetry: CapturedTelemetry, warm: tuple[str, str]) -> None:
    """Where one of two models must be loaded, whichever, the translation is slower than the rest."""
    argos.translate("hey.", *warm)
    telemetry.clear()
    argos.translate("hey.", "es", "de")
    assert root(telemetry)["attributes"]["speech.engine.cold"] is True


def test_a_translation_with_a_warm_splitter_alone_is_cold(argos: Any, telemetry: CapturedTelemetry) -> None:
    """The model's own load suffices."""
    argos.get_translation_from_codes("es", "en").underlying.sentencizer.lazy_detector()
    by_function(argos)
    assert root(telemetry)["attributes"]["speech.engine.cold"] is True


def test_many_paragraphs_have_spans_for_the_first_and_sums_for_all(
    argos: Any, telemetry: CapturedTelemetry
) -> None:
    """Paragraphs beyond the limit are counted and timed on the root, without spans."""
    argos.translate("\n".join(["hey. you."] * 5), "es", "en")
    names = [span["name"] for span in telemetry.spans()]
    (span,) = [span for span in telemetry.spans() if span["name"] == "translate es-en"]
    attributes = span["attributes"]
    assert (names.count("speech.mt.segment"), names.count("speech.mt.infer")) == (3, 3)
    assert attributes["speech.translation.segment.count"] == attributes["speech.translation.infer.count"] == 5
    assert attributes["speech.translation.sentence.count"] == 10
    assert 0 < attributes["speech.translation.infer.duration"] < attributes["speech.engine.duration"]
    assert 0 < attributes["speech.translation.segment.duration"] < attributes["speech.engine.duration"]


def test_a_translation_is_measured(argos: Any, telemetry: CapturedTelemetry) -> None:
    """Metrics tell operation, engine and direction apart, and count words, characters and loads."""
    by_function(argos)
    found = telemetry.metrics()
    told = {**SHARED, **STEP, "gen_ai.operation.name": "translate"}
    for name in ("gen_ai.client.operation.duration", "speech.words", "speech.characters"):
        assert [point["attributes"] for point in found[name]] == [told]
    stages = {
        point["attributes"]["speech.stage.name"]: point["count"] for point in found["speech.stage.duration"]
    }
    assert stages == {"segment_text": 2, "infer": 2}
    loads = {point["attributes"]["gen_ai.request.model"] for point in found["speech.model.load.duration"]}
    assert loads == {"es-en", "minisbd"}


@pytest.mark.parametrize(
    ("text", "stage"),
    [("hey.\nFAIL.", "speech.mt.infer"), ("hey.", "speech.model.load es-en")],
)
def test_an_exception_is_the_engines_own(
    argos: Any, telemetry: CapturedTelemetry, text: str, stage: str
) -> None:
    """What Argos raises reaches the caller unchanged; root and stage are ERROR and quote nothing."""
    if "load" in stage:
        argos.get_translation_from_codes("es", "en").underlying.pkg.path = "/srv/private/broken"
    with pytest.raises(RuntimeError, match=r"out of memory|unable to open"):
        argos.translate(text, "es", "en")
    failed = {span["name"]: span for span in telemetry.spans() if span.get("status") == "ERROR"}
    assert failed.keys() == {"translate es-en", stage}
    assert failed["translate es-en"]["attributes"]["error.type"] == "RuntimeError"
    assert "memory" not in str(telemetry.spans())
    (point,) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert point["attributes"]["error.type"] == "RuntimeError"


def test_what_is_no_language_names_no_span(argos: Any, telemetry: CapturedTelemetry) -> None:
    """A stranger's text in place of a language reaches neither names nor attributes."""
    with pytest.raises(KeyError):
        argos.translate("hey.", "my private words", "en")
    span = root(telemetry)
    assert span["name"] == "translate"
    assert span["attributes"]["speech.translation.target_language"] == "en"
    assert "private" not in str(telemetry.spans())


def test_a_call_that_argos_refuses_ends_the_span(argos: Any, telemetry: CapturedTelemetry) -> None:
    """A wrong argument fails in the engine's own words."""
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        argos.translate("hey.")
    assert root(telemetry)["attributes"]["error.type"] == "TypeError"


def test_functions_outside_a_translation_are_left_alone(argos: Any, telemetry: CapturedTelemetry) -> None:
    """CTranslate2 and the splitters serve others too: outside of a translation they make no span."""
    translator = argos.ctranslate2.Translator("/models/nllb")
    assert translator.translate_batch([["hey"]]) == [["HEY"]]
    assert argos.sbd.MiniSBDSentencizer(None).split_sentences("a. b.") == ["a", "b"]
    assert telemetry.spans() == []


def test_a_model_that_was_loaded_unwatched_is_neither_cold_nor_warm(
    argos: Any, telemetry: CapturedTelemetry
) -> None:
    """Whether it was used before nobody saw."""
    underlying = argos.get_translation_from_codes("es", "en").underlying
    underlying.translator = argos.ctranslate2.Translator("/models/es_en")
    underlying.sentencizer.lazy_detector()
    by_function(argos)
    assert "speech.engine.cold" not in root(telemetry)["attributes"]
