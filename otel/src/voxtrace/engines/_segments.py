"""The lazy segments of a transcription, watched while they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

from voxtrace import semconv
from voxtrace._guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace.engines._whisper import WhisperTranscription


class TracedSegments(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic in wrapt's stubs alone
    """
    The engine's own generator, whose work goes to the transcription's span.

    To its caller it is that generator (type, `send`, `throw`, `close`, `gi_frame`).
    The span is current inside each step only; it ends with the last segment, an
    exception, `close()`, or when the generator is dropped.
    """

    def __init__(self, segments: Any, transcription: WhisperTranscription) -> None:
        super().__init__(segments)
        self._self_transcription = transcription

    def __iter__(self) -> TracedSegments:
        return self

    def __next__(self) -> Any:
        return self._self_step(self.__wrapped__.__next__)

    def send(self, value: Any) -> Any:
        """Resume the generator with a value, as generators do."""
        return self._self_step(lambda: self.__wrapped__.send(value))

    def throw(self, *error: Any) -> Any:
        """Raise inside the generator, as generators do."""
        return self._self_step(lambda: self.__wrapped__.throw(*error))

    def close(self) -> None:
        """Close the generator; what was not read yet makes the transcription incomplete."""
        try:
            self.__wrapped__.close()
        finally:
            self._self_transcription.abandon(semconv.SPEECH_ASR_INCOMPLETE)

    def __del__(self) -> None:
        with guarded("end a dropped transcription"):
            self._self_transcription.abandon(semconv.SPEECH_ASR_INCOMPLETE)

    def _self_step(self, advance: Callable[[], Any]) -> Any:
        transcription = self._self_transcription
        # Two threads at once is the caller's mistake, and the engine's to report.
        if transcription.ended or getattr(self.__wrapped__, "gi_running", False):
            return advance()
        try:
            with transcription.working():
                segment = advance()
        except StopIteration:
            transcription.finish()
            raise
        except GeneratorExit:
            transcription.abandon(semconv.SPEECH_ASR_INCOMPLETE)
            raise
        except BaseException as error:
            transcription.finish(error)
            raise
        with guarded("count a segment"):
            transcription.add(vars(segment))
        return segment
