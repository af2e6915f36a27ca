"""faster-whisper 1.2.1 in miniature: the names that are patched, and how they call each other."""

from faster_whisper.transcribe import BatchedInferencePipeline, WhisperModel

__all__ = ["BatchedInferencePipeline", "WhisperModel"]
