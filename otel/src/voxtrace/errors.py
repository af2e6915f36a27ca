"""
The errors that Voxtrace raises or asks for, as one tree.

    VoxtraceError
    ├── HealthCheckError        raised by your own checks, to publish a reason
    ├── MissingDependencyError  a function needs a package that is not installed; it is an ImportError too
    └── PricesError             raised where you read a price table yourself

Setting up and running telemetry raises nothing: what goes wrong is logged.
"""

from typing import Any

__all__ = ["HealthCheckError", "MissingDependencyError", "PricesError", "VoxtraceError"]


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


class MissingDependencyError(VoxtraceError, ImportError):
    """A package is missing; the message says how to install it."""


class PricesError(VoxtraceError):
    """A price table is not one; the message says where, and what to write."""
