"""One instrumentor per speech engine; an engine that is absent is left alone."""

from voxtrace.engines.apertium import ApertiumInstrumentor
from voxtrace.engines.argos import ArgosInstrumentor
from voxtrace.engines.espeak_ng import EspeakNgInstrumentor
from voxtrace.engines.faster_whisper import FasterWhisperInstrumentor
from voxtrace.engines.openai_whisper import OpenAIWhisperInstrumentor
from voxtrace.engines.piper import PiperInstrumentor

__all__ = [
    "ApertiumInstrumentor",
    "ArgosInstrumentor",
    "EspeakNgInstrumentor",
    "FasterWhisperInstrumentor",
    "OpenAIWhisperInstrumentor",
    "PiperInstrumentor",
]
