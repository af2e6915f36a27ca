"""piper-tts 1.8.0 in miniature: the names that are patched, and how they call each other."""

from piper.voice import PiperVoice

__all__ = ["PiperVoice"]
