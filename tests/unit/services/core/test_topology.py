"""The topology."""

from __future__ import annotations

from voxtrace_services.core.topology import Topology

AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def test_every_queue() -> None:
    """Four work queues, the dead letters, and one queue per distinct delay; all quorum."""
    work = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "speech.dead",
        "x-delivery-limit": 20,
        **AT_LEAST_ONCE,
    }
    retry = {"x-queue-type": "quorum", "x-dead-letter-exchange": "speech", **AT_LEAST_ONCE}
    queues = {
        queue.name: (queue.exchange, queue.routing_key, dict(queue.arguments))
        for queue in Topology((0.5, 25.0, 0.5)).queues
    }
    assert queues == {
        "transcribe": ("speech", "transcribe", work),
        "translate": ("speech", "translate", work),
        "synthesize": ("speech", "synthesize", work),
        "events": ("speech", "events", work),
        "speech.dead": ("speech.dead", "", {"x-queue-type": "quorum"}),
        "speech.retry.0.5s": ("speech.retry.0.5s", "", {**retry, "x-message-ttl": 500}),
        "speech.retry.25s": ("speech.retry.25s", "", {**retry, "x-message-ttl": 25_000}),
    }


def test_every_exchange() -> None:
    """One direct exchange routes the work; the others hold back or bury whatever they get."""
    exchanges = {exchange.name: exchange.type for exchange in Topology((1.0,)).exchanges}
    assert exchanges == {"speech": "direct", "speech.dead": "fanout", "speech.retry.1s": "fanout"}
