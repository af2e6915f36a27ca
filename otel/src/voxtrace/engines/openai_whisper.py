"""
openai-whisper: one `speech_to_text` span per transcription, with its stages inside.

The package imports its functions from module to module, and `whisper.transcribe`
is the function, which hides the module of that name: modules are taken from
`sys.modules`, and a function is replaced wherever a call may find it.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from opentelemetry import trace
from wrapt import register_post_import_hook

from voxtrace._guard import guarded
from voxtrace.engines._gpu import GpuClock
from voxtrace.engines._instrumentor import EngineInstrumentor, Patches, suppressed
from voxtrace.engines._models import loaded, remember
from voxtrace.engines._openai_stages import (
    OpenAITranscription,
    align,
    decode,
    detect_language,
    encode,
    features,
    measure,
)
from voxtrace.engines._whisper import AUDIO_LOAD, TOKENIZER, WINDOW_SPANS, arguments, current, staged
from voxtrace.stages.model import ModelLoad
from voxtrace.stages.operation import labels
from voxtrace.stages.stage import StageRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from voxtrace.stages.instruments import Instruments

PROVIDER: Final = "openai_whisper"
_MODULES: Final = ("transcribe", "audio", "model")


class OpenAIWhisperInstrumentor(EngineInstrumentor):
    """
    Instruments openai-whisper 20250625, imported before or after.

    Options:
        window_spans: How many windows have spans; the rest is summed up.
        gpu_timing: `events` (the default) times encoder and decoder on CUDA as well, `off` does not.
    """

    scope: ClassVar[str] = "voxtrace.engines.openai_whisper"

    def _apply(self, patches: Patches, instruments: Instruments, options: dict[str, Any]) -> None:
        hooks = _Hooks(
            instruments,
            window_spans=options.get("window_spans", WINDOW_SPANS),
            gpu_timing=options.get("gpu_timing", "events") != "off",
        )

        def hook(package: Any) -> None:
            # What a hook raises would fail the engine's own import.
            with guarded("instrument openai-whisper"):
                # Graphite's database is a package of the same name.
                if patches.active and all(f"whisper.{name}" in sys.modules for name in _MODULES):
                    hooks.install(package, patches)

        register_post_import_hook(hook, "whisper")


class _Hooks:
    """The wrappers, and the instruments they share."""

    def __init__(self, instruments: Instruments, *, window_spans: int, gpu_timing: bool) -> None:
        self._instruments = instruments
        self._window_spans = window_spans
        self._gpu_timing = gpu_timing

    def install(self, package: Any, patches: Patches) -> None:
        """Wrap the functions of the package's modules."""
        modules: dict[str, Any] = {name: sys.modules[f"whisper.{name}"] for name in _MODULES}
        transcribe, audio, model = modules.values()
        whisper = model.Whisper
        patches.wrap(package, "load_model", self.load_model)
        patches.wrap(audio, "load_audio", self.load_audio, (package, "load_audio"))
        patches.wrap(
            transcribe,
            "transcribe",
            self.transcribe,
            (package, "transcribe"),
            (model, "transcribe_function"),
            (whisper, "transcribe"),
        )
        patches.wrap(transcribe, "log_mel_spectrogram", features)
        patches.wrap(transcribe, "get_tokenizer", staged(TOKENIZER))
        patches.wrap(transcribe, "add_word_timestamps", align)
        patches.wrap(whisper, "detect_language", detect_language)
        patches.wrap(whisper, "decode", decode)
        patches.wrap(model.AudioEncoder, "forward", encode)

    def load_model(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `load_model`: a cold start is a span of its own."""
        name = None
        with guarded("name a model"):
            name = _model_name(args[0] if args else kwargs.get("name"))
        load = ModelLoad(self._instruments, provider=PROVIDER, model=name)
        with nullcontext() if suppressed() else load as loading:
            model = wrapped(*args, **kwargs)
            with guarded("describe a loaded model"):
                remember(model, name)
                if loading is not None:
                    loaded(model)
                    loading.loaded(model, device=model.device.type)
        return model

    def load_audio(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `load_audio`: a stage also of a caller's own span, who loads before he transcribes."""
        transcription = current()
        if transcription is not None:
            with transcription.stage(AUDIO_LOAD):
                samples = wrapped(*args, **kwargs)
            measure(transcription, samples)
            return samples
        if suppressed() or not trace.get_current_span().is_recording():
            return wrapped(*args, **kwargs)
        with StageRun(self._instruments, labels(None, provider=PROVIDER, model=None), AUDIO_LOAD):
            return wrapped(*args, **kwargs)

    def transcribe(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `transcribe`, the function and the method; one that calls the other is one transcription."""
        transcription = None
        if not suppressed() and current() is None:
            transcription = self._begin(wrapped, instance, args, kwargs)
        if transcription is None:
            return wrapped(*args, **kwargs)
        try:
            with transcription.working():
                result = wrapped(*args, **kwargs)
        except BaseException as error:
            transcription.finish(error)
            raise
        with guarded("read the outcome of transcribe"):
            transcription.language = _code(result["language"])
            for segment in result["segments"]:
                transcription.add(segment)
        transcription.finish()
        return result

    def _begin(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> OpenAITranscription | None:
        with guarded("start a transcription span"):
            given = arguments(wrapped, args, kwargs)
            model = given.get("model") if instance is None else instance
            request = {"task": "transcribe", **given, **given.get("decode_options", {})}
            if isinstance(request.get("language"), str):
                request["language"] = _code(request["language"])
            return OpenAITranscription(
                self._instruments,
                provider=PROVIDER,
                model=model,
                request=request,
                window_spans=self._window_spans,
                clock=GpuClock.of(model) if self._gpu_timing else None,
            )
        return None


def _model_name(given: Any) -> str:
    """Return the name of a model: one of OpenAI's, or that of the checkpoint's file, without its folder."""
    whisper = sys.modules["whisper"]
    return str(given) if given in whisper.available_models() else Path(os.fsdecode(given)).stem


def _code(language: str) -> str:
    """Return the code of a language, which Whisper also takes by its English name."""
    codes: Mapping[str, str] = getattr(sys.modules.get("whisper.tokenizer"), "TO_LANGUAGE_CODE", {})
    return codes.get(language.lower(), language.lower())
