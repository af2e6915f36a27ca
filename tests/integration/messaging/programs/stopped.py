"""
A worker whose every message is one step of work, and which hangs in the middle of a message that says `hang`.

Usage: stopped.py URL QUEUE
"""

from __future__ import annotations

import json
import sys
import time

import pika
from opentelemetry import trace
from pika.adapters.blocking_connection import BlockingChannel

url, queue = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()


def on_message(
    channel: BlockingChannel, method: pika.spec.Basic.Deliver, _properties: pika.BasicProperties, body: bytes
) -> None:
    """Work."""
    at = time.time_ns()
    with trace.get_tracer("worker").start_as_current_span("step"):
        pass
    sys.stdout.write(json.dumps({"body": body.decode(), "at": at}) + "\n")
    sys.stdout.flush()
    if body == b"hang":
        time.sleep(120)
    channel.basic_ack(method.delivery_tag)


channel.basic_consume(queue, on_message)
channel.start_consuming()
