"""
A consumer whose job lasts as long as its message says; it knows nothing of telemetry.

Usage: long_job.py URL QUEUE thread|callback
`thread` is how pika's documents tell to work: off the connection's thread, acknowledged through it.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

url, queue, where = sys.argv[1:]


def say(what: str) -> None:
    """Tell the test what happened."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.basic_qos(prefetch_count=8)


def work(channel: BlockingChannel, tag: int, seconds: float) -> None:
    """Do the job, then settle it."""
    time.sleep(seconds)
    connection.add_callback_threadsafe(functools.partial(settle, channel, tag))


def settle(channel: BlockingChannel, tag: int) -> None:
    """Acknowledge."""
    channel.basic_ack(tag)
    say("acknowledged")


def on_message(
    channel: BlockingChannel, method: pika.spec.Basic.Deliver, _properties: pika.BasicProperties, body: bytes
) -> None:
    """Start the job."""
    say("redelivered" if method.redelivered else "delivered")
    if where == "thread":
        threading.Thread(target=work, args=(channel, method.delivery_tag, float(body))).start()
    else:
        time.sleep(float(body))
        settle(channel, method.delivery_tag)


channel.basic_consume(queue, on_message)
say("consuming")
try:
    channel.start_consuming()
except AMQPError as error:
    say(type(error).__name__)
