"""A stranger's tool for dead letters: mends each order and sends it again to where it was first sent."""

import os
import time

import pika
from pika.adapters.blocking_connection import BlockingChannel


def on_dead_letter(
    channel: BlockingChannel,
    method: pika.spec.Basic.Deliver,
    properties: pika.BasicProperties,
    body: bytes,
) -> None:
    """Replay it as if it had never failed."""
    time.sleep(0.1)
    headers = {name: value for name, value in properties.headers.items() if not name.startswith("x-")}
    properties.headers = headers
    channel.basic_publish("orders", "order", body.replace(b"O", b"0"), properties, mandatory=True)
    channel.basic_ack(method.delivery_tag)


connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.confirm_delivery()
channel.queue_declare("orders.dead", durable=True)
channel.basic_consume("orders.dead", on_dead_letter)
channel.start_consuming()
