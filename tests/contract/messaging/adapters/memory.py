"""The broker of voxtrace.testing: pika's own BlockingConnection, without a wire."""

from __future__ import annotations

from contract.messaging.adapters.blocking import Blocking


class Memory(Blocking):
    """Callbacks, as on a real broker; which broker it is is the bench's to say."""
