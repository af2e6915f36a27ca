"""
Argos Translate: one `translate` span per call, with sentence splitting and inference inside.

Its calls nest: `translate` looks a translation up and calls it, a cached one calls
the one below, a composite one calls two with a language in between. The outermost
call is the span, whichever it is. Models are loaded by the first translation that
needs them, as spans of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from wrapt import register_post_import_hook

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.engines._argos import INFER, PARAGRAPH_SPANS, PROVIDER, SEGMENT, ArgosTranslation, Pair, pair_of
from voxtrace.engines._instrumentor import EngineInstrumentor, Patches, suppressed
from voxtrace.engines._models import remember
from voxtrace.stages.model import ModelLoad
from voxtrace.stages.operation import current_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from voxtrace.stages.instruments import Instruments

_MODULE: Final = "argostranslate.translate"
#: The attribute that a sentence splitter keeps its model in once it is loaded, by the function that loads it.
_SPLITTERS: Final = {"lazy_detector": "detector", "lazy_pipeline": "stanza_pipeline"}


class ArgosInstrumentor(EngineInstrumentor):
    """Instruments argostranslate 1.11, imported before or after."""

    scope: ClassVar[str] = "voxtrace.engines.argos"

    def _apply(self, patches: Patches, instruments: Instruments, options: dict[str, Any]) -> None:
        hooks = _Hooks(instruments, paragraph_spans=options.get("paragraph_spans", PARAGRAPH_SPANS))

        def hook(module: ModuleType) -> None:
            # What a hook raises would fail the engine's own import.
            with guarded("instrument argostranslate"):
                if patches.active:
                    hooks.install(module, patches)

        register_post_import_hook(hook, _MODULE)


class _Hooks:
    """The wrappers, and the instruments they share."""

    def __init__(self, instruments: Instruments, *, paragraph_spans: int) -> None:
        self._instruments = instruments
        self._paragraph_spans = paragraph_spans

    def install(self, module: Any, patches: Patches) -> None:
        """Wrap the functions of `argostranslate.translate`, and those of others that it calls."""
        patches.wrap(module, "translate", self.function)
        patches.wrap(module.ITranslation, "translate", self.method)
        for translation in _below(module.ITranslation, "hypotheses"):
            patches.wrap(translation, "hypotheses", self.method)
        splitter = module.sbd.ISentenceBoundaryDetectionModel
        for kind in _below(splitter, "split_sentences"):
            patches.wrap(kind, "split_sentences", _split)
        for name in _SPLITTERS:
            for kind in _below(splitter, name):
                patches.wrap(kind, name, self.load_splitter)
        translator = module.ctranslate2.Translator
        patches.wrap(translator, "__init__", self.load)
        patches.wrap(translator, "translate_batch", _infer)

    def function(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `translate`, which also looks the installed languages up."""
        given = dict(zip(("q", "from_code", "to_code"), args, strict=False)) | kwargs
        pair = Pair.of(given.get("from_code"), given.get("to_code"))
        return _run(self._begin(given.get("q"), pair), wrapped, args, kwargs)

    def method(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `translate` and `hypotheses` of a translation: the outermost is the span."""
        text = args[0] if args else kwargs.get("input_text")
        operation = self._begin(text, pair_of(instance))
        with guarded("follow a translation"):
            at_work = operation or _current()
            if at_work is not None:
                at_work.enter(instance)
        return _run(operation, wrapped, args, kwargs)

    def load(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `ctranslate2.Translator.__init__`: the first translation of a direction loads its model."""
        operation = _current()
        if operation is None:
            return wrapped(*args, **kwargs)
        operation.cold = True
        direction = operation.step.direction
        with ModelLoad(self._instruments, provider=PROVIDER, model=direction) as load:
            result = wrapped(*args, **kwargs)
            with guarded("describe a loaded model"):
                remember(instance, direction)
                load.loaded(instance)
        return result

    def load_splitter(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap what gives a sentence splitter's model, and loads it the first time."""
        operation = _current()
        if operation is None or getattr(instance, _SPLITTERS[wrapped.__name__], None) is not None:
            return wrapped(*args, **kwargs)
        operation.cold = True
        splitter = type(instance).__name__.removesuffix("Sentencizer").lower()
        with ModelLoad(self._instruments, provider=PROVIDER, model=splitter) as load:
            model = wrapped(*args, **kwargs)
            load.loaded(model)
        return model

    def _begin(self, text: object, pair: Pair) -> ArgosTranslation | None:
        """Begin a translation, unless one is at work already or none is wanted."""
        with guarded("start a translation span"):
            if suppressed() or _current() is not None:
                return None
            operation = ArgosTranslation(self._instruments, pair, paragraph_spans=self._paragraph_spans)
            if isinstance(text, str):
                operation.source(text)
            return operation
        return None


def _run(
    operation: ArgosTranslation | None,
    wrapped: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    if operation is None:
        return wrapped(*args, **kwargs)
    with operation:
        result = wrapped(*args, **kwargs)
        with guarded("count a translation"):
            operation.target(result if isinstance(result, str) else result[0].value)
    return result


def _current() -> ArgosTranslation | None:
    """Return the translation at work here; outside of one, an engine function is left alone."""
    operation = current_operation()
    return operation if isinstance(operation, ArgosTranslation) and not suppressed() else None


def _below(base: Any, method: str) -> Iterator[Any]:
    """Yield the classes below one that have a method of their own."""
    for kind in base.__subclasses__():
        if method in vars(kind):
            yield kind
        yield from _below(kind, method)


def _split(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `split_sentences`: one call per paragraph."""
    operation = _current()
    if operation is None:
        return wrapped(*args, **kwargs)
    with operation.stage(SEGMENT, operation.step.attributes()):
        sentences = wrapped(*args, **kwargs)
    with guarded("count sentences"):
        operation.sentences += len(sentences)
    return sentences


def _infer(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `translate_batch`: the sentences of a paragraph at once."""
    operation = _current()
    if operation is None:
        return wrapped(*args, **kwargs)
    attributes = operation.step.attributes()
    with guarded("count a batch of sentences"):
        attributes[semconv.SPEECH_TRANSLATION_SENTENCE_COUNT] = len(args[0] if args else kwargs["source"])
    with operation.stage(INFER, attributes):
        return wrapped(*args, **kwargs)
