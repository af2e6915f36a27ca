"""
The errors that Voxtrace raises or asks for, as one tree.

    VoxtraceError
    └── HealthCheckError        raised by your own checks, to publish a reason

Setting up and running telemetry raises nothing: what goes wrong is logged.
"""

from typing import Any

__all__ = ["HealthCheckError", "VoxtraceError"]


class VoxtraceError(Exception):
    """The root of all errors that carry this library's name."""


class HealthCheckError(VoxtraceError):
    """
    A health check failed for a reason that may be published as it is.

    Args:
        message: The reason.
        details: Numbers and names to publish beside it.
    """

    def __init__(self, message: str = "", /, **details: Any) -> None:
        super().__init__(message)
        self.details = details
