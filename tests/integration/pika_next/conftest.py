"""The queues and child processes of the messaging tests."""

from __future__ import annotations

from integration.messaging.conftest import _queue, _run

__all__ = ["_queue", "_run"]
