"""
RabbitMQ tracing for pika: one span per publish, one per message processed, one per wait in a queue.

How to read the package, from the outside in:

- `instrumentor`, `patches`: what is replaced in pika, or on one channel, and how it is put back.
- `publisher`: a message is published, by way of one channel or two; `publication`: its PRODUCER span.
- `confirms`: what the broker says of it later; the span lasts until then.
- `consumer`: a message reaches a callback, which is run once inside its span.
- `reception`: a message is asked for, by `basic_get` or a step through `consume()`.
- `arrival`: when a message came to the process, to wait there for its callback.
- `intake`: that span starts, and tells what it continues and what came before.
- `processing`, `delivery`, `batch`: work on messages, from delivery to settlement (CONSUMER span).
- `settlement`: an ack, nack or reject, noted there (and a CLIENT span).
- `ledger`: which deliveries are unsettled on which channel; `in_flight` counts them at export.
- `wait`: when a message was enqueued, and the back-dated span from then to delivery.
- `history`: dead-letterings, and the attempt before.
- `route`: what all messages on one way have in common.
- `propagation`, `injection`: trace context out of AMQP headers and into them; hostile headers end here.
- `headers`, `formats`: what may be read, and whether it is in W3C formats, as `voxtrace._w3c` knows them.
- `destination`, `attributes`, `names`: what things are called.
- `failure`: what an error looks like on a span.
- `telemetry`: the tracer and the instruments; `tally`: messages that are counted, not measured;
  `collection`: for whom.
- `former`: what older conventions called things.
- `configuration`, `selection`, `hooks`: what may be chosen, and by whom; which queues; who else looks on.

It needs the OpenTelemetry API and pika alone. A user's callback runs once, outside `voxtrace._guard`.
"""

from voxtrace.messaging.batch import batch
from voxtrace.messaging.instrumentor import PikaInstrumentor

__all__ = ["PikaInstrumentor", "batch"]
