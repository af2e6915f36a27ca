"""A stranger's upload service: FastAPI and pika, no telemetry of its own."""

import os
import uuid
from pathlib import Path

import pika
import uvicorn
from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/speech")
async def speech(request: Request) -> dict[str, str]:
    """Store the body as a file and ask the worker to transcribe it."""
    name = uuid.uuid4().hex
    (Path(os.environ["SPEECH_FOLDER"]) / name).write_bytes(await request.body())
    publish(name)
    return {"name": name}


def publish(name: str) -> None:
    """Send one message over a connection of its own, as small services do."""
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
        channel = connection.channel()
        channel.queue_declare("speech-in", durable=True)
        channel.basic_publish("", "speech-in", name.encode(), pika.BasicProperties(correlation_id=name))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
