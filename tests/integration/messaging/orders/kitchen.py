"""
A stranger's worker, which leaves its retries to the broker.

What it rejects goes by the queue's dead-letter exchange to `orders.retry`, where it expires after a while and
comes back. What was rejected twice it gives to `orders.dead`, and says why.
"""

import os
import time

import pika
from pika.adapters.blocking_connection import BlockingChannel

RETRIES = 2
DELAY = 1200  # ms


def rejected(properties: pika.BasicProperties) -> int:
    """How often this message was refused before, as RabbitMQ counts it."""
    deaths = (properties.headers or {}).get("x-death", [])
    return sum(death["count"] for death in deaths if death["reason"] == "rejected")


def on_order(
    channel: BlockingChannel,
    method: pika.spec.Basic.Deliver,
    properties: pika.BasicProperties,
    body: bytes,
) -> None:
    """Cook what was ordered."""
    time.sleep(0.1)
    try:
        int(body)
    except ValueError as error:
        if rejected(properties) < RETRIES:
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        properties.headers["x-exception-type"] = type(error).__name__
        channel.basic_publish("", "orders.dead", body, properties, mandatory=True)
    channel.basic_ack(method.delivery_tag)


connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.confirm_delivery()
channel.exchange_declare("orders", durable=True)
channel.queue_declare(
    "orders.new",
    durable=True,
    arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.retry"},
)
channel.queue_declare(
    "orders.retry",
    durable=True,
    arguments={
        "x-message-ttl": DELAY,
        "x-dead-letter-exchange": "orders",
        "x-dead-letter-routing-key": "order",
    },
)
channel.queue_declare("orders.dead", durable=True)
channel.queue_bind("orders.new", "orders", "order")
channel.basic_qos(prefetch_count=1)
channel.basic_consume("orders.new", on_order)
channel.start_consuming()
