"""
What the command can refuse to do, each with the sentence the reader sees and its exit code.

    CommandError
    |- StackError               the stack did not start, did not stop, or is not up
    |- UnreachableError         nobody answers at an address
    |- ProblemError             the gateway answered with an RFC 9457 problem
    |- TraceMissingError        no backend knows the trace
    |- RecordingMissingError    there is no audio file to send
    |- UploadFailedError        the pipeline gave the upload up
    `- TrafficError             load cannot be sent, or the process that sends it has failed
"""

from __future__ import annotations

from typing import ClassVar


class CommandError(Exception):
    """The command cannot go on; the message says what to do about it."""

    exit_code: ClassVar[int] = 1


class StackError(CommandError):
    """The stack did not start, did not stop, or is not up."""

    exit_code = 3


class UnreachableError(CommandError):
    """Nobody answers at an address."""

    exit_code = 4


class ProblemError(CommandError):
    """The gateway refused, with a reason that a program can read."""

    def __init__(self, *, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code}, HTTP {status})")
        self.status = status
        self.code = code


class TraceMissingError(CommandError):
    """No backend knows the trace."""

    exit_code = 5


class RecordingMissingError(CommandError):
    """There is no audio file to send."""

    exit_code = 2


class UploadFailedError(CommandError):
    """The pipeline gave the upload up, or took longer than the caller would wait."""

    exit_code = 6


class TrafficError(CommandError):
    """Load cannot be sent from here or to there, or the process that sends it has failed."""

    exit_code = 2
