"""A stranger's shop: sends one order, with a typing error in its number."""

import os

import pika

with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
    channel = connection.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(message_id="order-1", correlation_id="basket-7", delivery_mode=2)
    channel.basic_publish("orders", "order", b"1O", properties, mandatory=True)
