"""A thousand messages, a tenth of them hostile, through a real worker with its telemetry on."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pika

from integration.services.workers import Site, until
from voxtrace_services.core.messages import TranscribeRequest

MESSAGES = 1000
GOOD = TranscribeRequest(job_id="job", audio="job/audio", target_language="es").outgoing("transcribe").body

#: Ten ways to be hostile: what goes wrong, and the reason that the dead letter must give.
HOSTILE: list[tuple[bytes, dict[str, Any], str]] = [
    (b"", {"traceparent": 7}, "not_json"),
    (b"\xff\xfe", {"traceparent": b"\xff" * 55}, "not_json"),
    (b"[" * 50_000, {"traceparent": ["00"]}, "not_json"),
    (b"null", {"baggage": {"a": {"b": [1]}}}, "invalid_message"),
    (b"[1, 2]", {"tracestate": True}, "invalid_message"),
    (b'{"version": 1}', {"tracestate": "x" * 100_000}, "invalid_message"),
    (b'{"version": 1e999}', {"x-attempt": "often"}, "unknown_version"),
    (b'{"version": "latest"}', {"x-attempt": -5}, "unknown_version"),
    (GOOD.replace(b"job/audio", b"../../etc/passwd"), {"x-delivery-count": "9"}, "invalid_message"),
    (GOOD.replace(b"job/audio", b"job/elsewhere"), {"x-exception-type": "Old"}, "artifact_missing"),
]


def test_a_tenth_is_poison(site: Site) -> None:
    """What is good is done, what is hostile is dead with its reason, and the worker never falls."""
    worker = site.start("asr", asr_engine="null")
    site.store.write("job/audio", b"sound")
    expected: Counter[str] = Counter()
    with site.channel() as channel:
        # A channel that closes on unconfirmed messages may lose the last of them.
        channel.confirm_delivery()
        for number in range(MESSAGES):
            body, headers, reason = GOOD, {}, "good"
            if number % 10 == 0:
                body, headers, reason = HOSTILE[number // 10 % len(HOSTILE)]
            # A job of its own each, so that each is worked on.
            job = f"job-{number}"
            body = body.replace(b'"job_id":"job"', f'"job_id":"{job}"'.encode())
            properties = pika.BasicProperties(headers=headers, message_id=job, delivery_mode=2)
            channel.basic_publish("speech", "transcribe", body, properties)
            expected[reason] += 1
    good = expected.pop("good")
    wanted = {"transcribe": 0, "translate": good, "speech.dead": MESSAGES - good}
    counts: dict[str, int] = {}

    def sorted_out() -> bool:
        counts.update({queue: site.waiting(queue) for queue in wanted})
        return counts == wanted

    until(sorted_out, within=120)
    dead = Counter(headers_of(site))
    assert dead == expected
    assert worker.process.poll() is None
    assert worker.health()["status"] == "ok"
    assert Counter(line["reason"] for line in worker.lines() if "reason" in line) == expected


def headers_of(site: Site) -> list[str]:
    """The reason on each dead letter."""
    reasons = []
    with site.channel() as channel:
        while True:
            method, properties, _ = channel.basic_get("speech.dead", auto_ack=True)
            if method is None:
                return reasons
            reasons.append(properties.headers["x-reason"])
