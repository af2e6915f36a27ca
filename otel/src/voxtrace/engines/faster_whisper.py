"""
faster-whisper: one `speech_to_text` span per transcription, with its stages inside.

`transcribe` does a part of its work at once (load, voice activity, features,
language) and the rest while its segments are read (encode, decode, align). The
span covers both, and is current during both only, whichever thread reads.

Every name is patched where faster-whisper looks it up: `faster_whisper.transcribe`
imports `decode_audio` and `get_speech_timestamps` into its own namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from wrapt import register_post_import_hook

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.engines._generator import TracedGenerator
from voxtrace.engines._instrumentor import EngineInstrumentor, Patches, suppressed
from voxtrace.engines._models import loaded, model_name, recall, remember
from voxtrace.engines._whisper import (
    AUDIO_LOAD,
    DECODE,
    DETECT_LANGUAGE,
    ENCODE,
    FEATURES,
    VAD,
    WHISPER_RATE,
    WINDOW_SPANS,
    WhisperTranscription,
    arguments,
    current,
    is_silent,
    staged,
)
from voxtrace.stages.model import ModelLoad

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments

PROVIDER: Final = "faster_whisper"
_MODULE: Final = "faster_whisper.transcribe"


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
        patches.wrap(module, "decode_audio", staged(AUDIO_LOAD, _hear))
        patches.wrap(module, "get_speech_timestamps", staged(VAD, _locate_speech))
        patches.wrap(module.FeatureExtractor, "__call__", staged(FEATURES))
        patches.wrap(model, "detect_language", staged(DETECT_LANGUAGE))
        patches.wrap(model, "encode", staged(ENCODE))
        patches.wrap(model, "generate_with_fallback", _decode_window)
        patches.wrap(batched, "generate_segment_batched", _decode_batch)
        # Each attempt at a window is one call of the CTranslate2 model.
        patches.wrap(module.ctranslate2.models.Whisper, "generate", _attempt)
        patches.wrap(model, "add_word_timestamps", _align)

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
            given = arguments(wrapped, args, kwargs)
            transcription = WhisperTranscription(
                self._instruments,
                provider=PROVIDER,
                # The batched pipeline holds the model that a plain one is.
                model=instance if recall(instance) else getattr(instance, "model", None),
                request=given,
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


def _hear(transcription: WhisperTranscription, samples: Any) -> None:
    """Measure the audio that the engine is given."""
    transcription.audio(samples=samples, sample_rate=WHISPER_RATE)


def _locate_speech(transcription: WhisperTranscription, found: list[dict[str, int]]) -> None:
    """Note where voice activity detection heard the last of it."""
    transcription.evidence.speech_end = found[-1]["end"] / WHISPER_RATE if found else 0.0


def _attempt(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap the model's `generate`: one attempt at a window, at one temperature."""
    transcription = current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    attributes = transcription.of_attempt(float(kwargs.get("sampling_temperature", 0.0)))
    with transcription.stage(DECODE, attributes):
        return wrapped(*args, **kwargs)


def _align(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `add_word_timestamps`: once per window, after it is decoded."""
    transcription = current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    with transcription.align():
        return wrapped(*args, **kwargs)


def _decode_window(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap `generate_with_fallback`: one call per window, also for those found silent."""
    transcription = current()
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
    transcription = current()
    if transcription is None:
        return wrapped(*args, **kwargs)
    transcription.open_window()
    result = wrapped(*args, **kwargs)
    with guarded("count a batch of windows"):
        transcription.close_window(len(result[1]))
    return result


def _is_silent(outcome: Any, options: Any) -> bool:
    return is_silent(
        no_speech=outcome[0].no_speech_prob,
        avg_logprob=outcome[1],
        no_speech_threshold=options.no_speech_threshold,
        logprob_threshold=options.log_prob_threshold,
    )
