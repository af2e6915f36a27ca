"""
faster-whisper: one `speech_to_text` span per transcription, with its stages inside.

`transcribe` does a part of its work at once (load, voice activity, features,
language) and the rest while its segments are read (encode, decode, align). The
span covers both, and is current during both only, whichever thread reads.

Every name is patched where faster-whisper looks it up: `faster_whisper.transcribe`
imports `decode_audio` and `get_speech_timestamps` into its own namespace.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final

from wrapt import register_post_import_hook

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.engines._generator import TracedGenerator
from voxtrace.engines._instrumentor import EngineInstrumentor, Patches, suppressed
from voxtrace.engines._models import first_use, loaded, model_name, recall, remember
from voxtrace.engines._whisper import (
    ALIGN,
    AUDIO_LOAD,
    DECODE,
    DETECT_LANGUAGE,
    ENCODE,
    FEATURES,
    VAD,
    WHISPER_RATE,
    WINDOW_SPANS,
    WhisperTranscription,
)
from voxtrace.stages.model import ModelLoad
from voxtrace.stages.operation import current_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.util.types import AttributeValue

    from voxtrace.engines._instrumentor import Wrapper
    from voxtrace.stages.instruments import Instruments
    from voxtrace.stages.stage import Stage

PROVIDER: Final = "faster_whisper"
_MODULE: Final = "faster_whisper.transcribe"
#: What a caller asks for, by the name of the argument.
_REQUEST: Final = {
    "task": semconv.SPEECH_ASR_TASK,
    "beam_size": semconv.SPEECH_ASR_BEAM_SIZE,
    "batch_size": semconv.SPEECH_ASR_BATCH_SIZE,
    "word_timestamps": semconv.SPEECH_ASR_WORD_TIMESTAMPS,
}


class FasterWhisperInstrumentor(EngineInstrumentor):
    """Instruments faster-whisper 1.2, imported before or after."""

    scope: ClassVar[str] = "voxtrace.engines.faster_whisper"

    def _apply(self, patches: Patches, instruments: Instruments, options: dict[str, Any]) -> None:
        hooks = _Hooks(instruments, window_spans=options.get("window_spans", WINDOW_SPANS))

        def hook(module: ModuleType) -> None:
            # What a hook raises would fail the engine's own import.
            with guarded("instrument faster-whisper"):
                if patches.active:
                    hooks.install(module, patches)

        register_post_import_hook(hook, _MODULE)


class _Hooks:
    """The wrappers, and the instruments they share."""

    def __init__(self, instruments: Instruments, *, window_spans: int) -> None:
        self._instruments = instruments
        self._window_spans = window_spans

    def install(self, module: Any, patches: Patches) -> None:
        """Wrap the functions of `faster_whisper.transcribe`."""
        model, batched = module.WhisperModel, module.BatchedInferencePipeline
        patches.wrap(model, "__init__", self.load)
        patches.wrap(model, "transcribe", self.transcribe)
        patches.wrap(batched, "transcribe", self.transcribe)
        patches.wrap(module, "decode_audio", _staged(AUDIO_LOAD, _hear))
        patches.wrap(module, "get_speech_timestamps", _staged(VAD, _locate_speech))
        patches.wrap(module.FeatureExtractor, "__call__", _staged(FEATURES))
        patches.wrap(model, "detect_language", _staged(DETECT_LANGUAGE))
        patches.wrap(model, "encode", _staged(ENCODE))
        patches.wrap(model, "generate_with_fallback", _decode_window)
        patches.wrap(batched, "generate_segment_batched", _decode_batch)
        # Each attempt at a window is one call of the CTranslate2 model.
        patches.wrap(module.ctranslate2.models.Whisper, "generate", _attempt)
        patches.wrap(model, "add_word_timestamps", _staged(ALIGN))

    def load(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `WhisperModel.__init__`: a cold start is a span of its own."""
        model = None
        with guarded("name a model"):
            model = model_name(args[0] if args else kwargs.get("model_size_or_path"))
            remember(instance, model)
        if suppressed():
            return wrapped(*args, **kwargs)
        with ModelLoad(self._instruments, provider=PROVIDER, model=model) as load:
            result = wrapped(*args, **kwargs)
            with guarded("describe a loaded model"):
                loaded(instance)
                inner = instance.model
                load.loaded(instance, device=inner.device, compute_type=inner.compute_type)
        return result

    def transcribe(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `transcribe` of the model and of the batched pipeline."""
        transcription = None if suppressed() else self._begin(wrapped, instance, args, kwargs)
        if transcription is None:
            return wrapped(*args, **kwargs)
        try:
            with transcription.working():
                result = wrapped(*args, **kwargs)
        except BaseException as error:
            transcription.finish(error)
            raise
        with guarded("read the outcome of transcribe"):
            segments, info = result
            _describe(transcription, info)
            return _watch(segments, transcription), info
        transcription.finish()
        return result

    def _begin(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> WhisperTranscription | None:
        with guarded("start a transcription span"):
            # The batched pipeline holds the model that a plain one is.
            model = instance if recall(instance) else getattr(instance, "model", None)
            given = _given(wrapped, args, kwargs)
            asked: dict[str, AttributeValue] = {
                attribute: given[name]
                for name, attribute in _REQUEST.items()
                if isinstance(given.get(name), str | int)
            }
            language = given.get("language")
            cold = first_use(model)
            if cold is not None:
                asked[semconv.SPEECH_ENGINE_COLD] = cold
            transcription = WhisperTranscription(
                self._instruments,
                provider=PROVIDER,
                model=recall(model),
                language=language if isinstance(language, str) else None,
                attributes=asked,
                window_spans=self._window_spans,
            )
            with guarded("measure the audio of a transcription"):
                if hasattr(given.get("audio"), "dtype"):  # decoded already, and by others
                    _hear(transcription, given["audio"])
            return transcription
        return None


def _watch(segments: Any, transcription: WhisperTranscription) -> TracedGenerator:
    return TracedGenerator(
        segments,
        transcription,
        incomplete=semconv.SPEECH_ASR_INCOMPLETE,
        add=lambda segment: transcription.add(vars(segment)),
    )


def _given(wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, those that are left out too."""
    try:
        bound = inspect.signature(wrapped).bind(*args, **kwargs)
    except TypeError:
        return {}  # the engine is about to say so itself
    bound.apply_defaults()
    return bound.arguments


def _describe(transcription: WhisperTranscription, info: Any) -> None:
    """Set what is known once the eager part is done."""
    transcription.audio(info.duration)
    transcription.language = transcription.evidence.language = info.language
    found: dict[str, AttributeValue] = {semconv.SPEECH_ASR_VAD_ENABLED: VAD in transcription.totals}
    if VAD in transcription.totals:
        found[semconv.SPEECH_AUDIO_SPEECH_DURATION] = info.duration_after_vad
        transcription.evidence.speech_duration = info.duration_after_vad
    if info.all_language_probs is not None:
        # Otherwise nothing was detected: the language was given or is the model's only
        # one, and the probability is the constant 1.
        transcription.detect(info.language, float(info.language_probability))
    transcription.span.set_attributes(found)


def _current() -> WhisperTranscription | None:
    """Return the transcription at work here; outside of one, an engine function is left alone."""
    operation = current_operation()
    return operation if isinstance(operation, WhisperTranscription) and not suppressed() else None


def _hear(transcription: WhisperTranscription, samples: Any) -> None:
    """Measure the audio that the engine is given."""
    transcription.audio(samples=samples, sample_rate=WHISPER_RATE)


def _locate_speech(transcription: WhisperTranscription, found: list[dict[str, int]]) -> None:
    """Note where voice activity detection heard the last of it."""
    transcription.evidence.speech_end = found[-1]["end"] / WHISPER_RATE if found else 0.0


def _staged(stage: Stage, note: Callable[[WhisperTranscription, Any], None] | None = None) -> Wrapper:
    """
    Make the wrapper that times a function as a stage of the current transcription.

    Args:
        stage: The stage.
        note: Learns what the function returned.
    """

    def wrapper(
        wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        transcription = _current()
        if transcription is None:
            return wrapped(*args, **kwargs)
        attributes = {semconv.SPEECH_ASR_WINDOW_INDEX: transcription.windows} if stage is ENCODE else None
        with transcription.stage(stage, attributes):
            result = wrapped(*args, **kwargs)
        if note is not None:
            with guarded(f"learn from the stage {stage.name}"):
                note(transcription, result)
        return result

    return wrapper


def _attempt(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap the model's `generate`: one attempt at a window, at one temperature."""
    transcription = _current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    transcription.attempt += 1
    attributes: Mapping[str, AttributeValue] = {
        semconv.SPEECH_ASR_WINDOW_INDEX: transcription.windows,
        semconv.SPEECH_ASR_ATTEMPT: transcription.attempt,
        semconv.SPEECH_ASR_TEMPERATURE: float(kwargs.get("sampling_temperature", 0.0)),
    }
    with transcription.stage(DECODE, attributes):
        return wrapped(*args, **kwargs)


def _decode_window(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap `generate_with_fallback`: one call per window, also for those found silent."""
    transcription = _current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    transcription.open_window()
    result = wrapped(*args, **kwargs)
    with guarded("count a window"):
        options = kwargs["options"] if "options" in kwargs else args[3]
        transcription.close_window(skipped=_is_silent(result, options))
    return result


def _decode_batch(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap `generate_segment_batched`: one call per batch of windows."""
    transcription = _current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    transcription.open_window()
    result = wrapped(*args, **kwargs)
    with guarded("count a batch of windows"):
        transcription.close_window(len(result[1]))
    return result


def _is_silent(outcome: Any, options: Any) -> bool:
    """Tell whether the engine is going to drop the window; it does so without a word."""
    result, avg_logprob = outcome[0], outcome[1]
    if options.no_speech_threshold is None or result.no_speech_prob <= options.no_speech_threshold:
        return False
    return options.log_prob_threshold is None or avg_logprob <= options.log_prob_threshold
