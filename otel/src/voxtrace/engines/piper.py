"""
Piper: one `text_to_speech` span per synthesis, with its phonemes and its sentences inside.

`synthesize` does nothing before its chunks are read, sentence by sentence; its span
is current while the engine works only, whichever thread reads. `synthesize_wav`
reads `synthesize` itself, and is one span all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from wrapt import register_post_import_hook

from voxtrace import semconv
from voxtrace._guard import guarded
from voxtrace.engines._generator import TracedGenerator
from voxtrace.engines._instrumentor import EngineInstrumentor, Patches, suppressed
from voxtrace.engines._models import first_use, loaded, model_name, recall, remember
from voxtrace.engines._voice import Voice, note, voice_of
from voxtrace.stages.model import ModelLoad
from voxtrace.stages.operation import current_operation
from voxtrace.stages.stage import Stage
from voxtrace.stages.synthesis import Synthesis

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments

PROVIDER: Final = "piper"
PHONEMIZE: Final = Stage("speech.tts.phonemize", "phonemize")
SYNTHESIZE: Final = Stage("speech.tts.synthesize", "synthesize", windowed=True)
#: Sentences that get spans of their own.
SENTENCE_SPANS: Final = 32
_MODULE: Final = "piper.voice"


class PiperInstrumentor(EngineInstrumentor):
    """Instruments piper-tts 1.8, imported before or after."""

    scope: ClassVar[str] = "voxtrace.engines.piper"

    def _apply(self, patches: Patches, instruments: Instruments, options: dict[str, Any]) -> None:
        hooks = _Hooks(instruments, sentence_spans=options.get("sentence_spans", SENTENCE_SPANS))

        def hook(module: ModuleType) -> None:
            # What a hook raises would fail the engine's own import.
            with guarded("instrument piper"):
                if patches.active:
                    hooks.install(module, patches)

        register_post_import_hook(hook, _MODULE)


class PiperSynthesis(Synthesis):
    """
    The `text_to_speech` span of one call, however lazily its chunks are read.

    Attributes:
        sentences: How many sentences were spoken.
    """

    def __init__(
        self,
        instruments: Instruments,
        *,
        voice: Voice,
        attributes: Mapping[str, AttributeValue],
        lazy: bool,
        sentence_spans: int,
    ) -> None:
        super().__init__(
            instruments,
            provider=PROVIDER,
            model=voice.name,
            voice=voice.name,
            language=voice.language,
            attributes=attributes,
        )
        self.sentences = 0
        self._lazy = lazy
        self._sentence_spans = sentence_spans

    def has_room_for(self, stage: Stage) -> bool:
        """Tell whether the stage belongs to one of the first sentences."""
        return not stage.windowed or self.sentences < self._sentence_spans

    def speak(self, samples: Any, sample_rate: int) -> None:
        """Add a sentence that was spoken; the first is listened to, for silence and clipping."""
        heard = samples if not self.sentences and type(samples).__module__ == "numpy" else None
        self.sentences += 1
        seconds = int(samples.size) / sample_rate
        self.audio((self.audio_seconds or 0.0) + seconds, samples=heard, sample_rate=sample_rate)
        if not self._lazy:
            self.first_audio()

    def give(self, _chunk: Any) -> None:
        """Note that the caller has a chunk; what it did before it asked for it is no time of the engine."""
        self.first_audio(self.worked)

    def _describe(self, *, complete: bool) -> None:
        super()._describe(complete=complete)
        found: dict[str, AttributeValue] = {
            semconv.SPEECH_TTS_SENTENCE_COUNT: self.sentences,
            semconv.SPEECH_TTS_SENTENCE_AGGREGATED: max(self.sentences - self._sentence_spans, 0),
        }
        if SYNTHESIZE in self.totals:
            found[semconv.SPEECH_TTS_SYNTHESIZE_DURATION] = self.totals[SYNTHESIZE].seconds
        self.span.set_attributes(found)


class _Hooks:
    """The wrappers, and the instruments they share."""

    def __init__(self, instruments: Instruments, *, sentence_spans: int) -> None:
        self._instruments = instruments
        self._sentence_spans = sentence_spans

    def install(self, module: Any, patches: Patches) -> None:
        """Wrap the methods of `PiperVoice`."""
        voice = module.PiperVoice
        patches.wrap(module.PiperConfig, "from_dict", _read)
        patches.wrap(voice, "load", self.load)
        patches.wrap(voice, "synthesize", self.synthesize)
        patches.wrap(voice, "synthesize_wav", self.synthesize_wav)
        patches.wrap(voice, "phonemize", _phonemize)
        patches.wrap(voice, "phoneme_ids_to_audio", _speak)

    def load(
        self, wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `PiperVoice.load`: a cold start is a span, named once the voice's config is read."""
        if suppressed():
            return wrapped(*args, **kwargs)
        with ModelLoad(self._instruments, provider=PROVIDER, model=None) as load:
            voice = wrapped(*args, **kwargs)
            with guarded("describe a loaded voice"):
                path = model_name(args[0] if args else kwargs.get("model_path"))
                name = voice_of(voice.config).name or (path and path.removesuffix(".onnx"))
                remember(voice, name)
                loaded(voice)
                if name:
                    load.named(name)
                load.loaded(voice)
        return voice

    def synthesize(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `synthesize`, which returns a generator at once."""
        synthesis = self._begin(instance, args, kwargs, lazy=True)
        if synthesis is None:
            return wrapped(*args, **kwargs)
        try:
            with synthesis.working():
                chunks = wrapped(*args, **kwargs)
        except BaseException as error:
            synthesis.finish(error)
            raise
        return TracedGenerator(
            chunks, synthesis, incomplete=semconv.SPEECH_TTS_INCOMPLETE, add=synthesis.give
        )

    def synthesize_wav(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap `synthesize_wav`, which speaks all of the text."""
        synthesis = self._begin(instance, args, kwargs, lazy=False)
        if synthesis is None:
            return wrapped(*args, **kwargs)
        with synthesis:
            return wrapped(*args, **kwargs)

    def _begin(
        self, voice: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, lazy: bool
    ) -> PiperSynthesis | None:
        if suppressed() or _current() is not None:
            return None
        with guarded("start a synthesis span"):
            described = voice_of(voice.config)
            cold = first_use(voice)
            synthesis = PiperSynthesis(
                self._instruments,
                voice=Voice(described.name or recall(voice), described.language),
                attributes={} if cold is None else {semconv.SPEECH_ENGINE_COLD: cold},
                lazy=lazy,
                sentence_spans=self._sentence_spans,
            )
            text = args[0] if args else kwargs.get("text")
            if isinstance(text, str):
                synthesis.text(text)
            return synthesis
        return None


def _current() -> PiperSynthesis | None:
    """Return the synthesis at work here; outside of one, an engine function is left alone."""
    operation = current_operation()
    return operation if isinstance(operation, PiperSynthesis) and not suppressed() else None


def _read(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `PiperConfig.from_dict`, which keeps neither the name of a voice nor its language."""
    config = wrapped(*args, **kwargs)
    with guarded("read the config of a voice"):
        note(config, args[0] if args else kwargs["config"])
    return config


def _phonemize(
    wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Wrap `phonemize`: all sentences at once, waiting for their turn with eSpeak included."""
    synthesis = _current()
    if synthesis is None:
        return wrapped(*args, **kwargs)
    with synthesis.stage(PHONEMIZE):
        return wrapped(*args, **kwargs)


def _speak(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Wrap `phoneme_ids_to_audio`: the model's run for one sentence."""
    synthesis = _current()
    if synthesis is None:
        return wrapped(*args, **kwargs)
    with synthesis.stage(SYNTHESIZE, {semconv.SPEECH_TTS_SENTENCE_INDEX: synthesis.sentences}):
        result = wrapped(*args, **kwargs)
    with guarded("measure the audio of a sentence"):
        # With alignments asked for, audio is the first of two.
        samples = result[0] if isinstance(result, tuple) else result
        synthesis.speak(samples, int(instance.config.sample_rate))
    return result
