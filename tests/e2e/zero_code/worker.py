"""A stranger's Whisper worker: one thread per message, ack through the connection's own thread."""

import functools
import os
import threading
from pathlib import Path

import pika
from faster_whisper import WhisperModel
from pika.adapters.blocking_connection import BlockingChannel

model = WhisperModel(os.environ["SPEECH_MODEL"], device="cpu", compute_type="int8")
folder = Path(os.environ["SPEECH_FOLDER"])


def transcribe(connection: pika.BlockingConnection, channel: BlockingChannel, tag: int, name: str) -> None:
    """Do the work off the connection's thread, so that the heartbeat goes on."""
    segments, _ = model.transcribe(str(folder / name))
    (folder / f"{name}.txt").write_text("".join(segment.text for segment in segments), encoding="utf-8")
    connection.add_callback_threadsafe(functools.partial(channel.basic_ack, tag))


def main() -> None:
    """Consume for ever."""
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.queue_declare("speech-in", durable=True)
    channel.basic_qos(prefetch_count=1)

    def on_message(
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        work = (connection, channel, method.delivery_tag, body.decode())
        threading.Thread(target=transcribe, args=work).start()

    channel.basic_consume("speech-in", on_message)
    channel.start_consuming()


if __name__ == "__main__":
    main()
