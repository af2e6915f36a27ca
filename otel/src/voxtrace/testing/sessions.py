"""A connection as the broker sees it: bytes in, bytes out."""

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pika import frame, spec

from voxtrace.testing.channels import Channel
from voxtrace.testing.refusals import RefusalError

if TYPE_CHECKING:
    from voxtrace.testing.vhost import VirtualHost

_CHANNEL_MAX: Final = 2047
_REPLY_TEXT_MAX: Final = 255
_PROPERTIES: Final = {
    "product": "voxtrace.testing",
    "capabilities": {
        "basic.nack": True,
        "consumer_cancel_notify": True,
        "exchange_exchange_bindings": True,
        "publisher_confirms": True,
    },
}


class Session:
    """
    The broker's end of one connection. It speaks AMQP in bytes, so that all of pika's own code is at work.

    Attributes:
        outbox: What is on its way to the client; an exception stands for the loss of the connection.
    """

    def __init__(self, vhost: "VirtualHost") -> None:
        self.vhost = vhost
        self.outbox: deque[bytes | Exception] = deque()
        self.ended = False
        self._channels: dict[int, Channel] = {}
        self._closing: set[int] = set()
        self._contents: dict[int, tuple[Any, list[Any]]] = {}
        self._received = b""

    def receive(self, data: bytes) -> None:
        """Takes bytes from the client and does what they say."""
        self._received += data
        while not self.ended:
            used, received = frame.decode_frame(self._received)
            if not used:
                return
            self._received = self._received[used:]
            self.vhost.expire()
            self._handle(received)
            self.vhost.dispatch()

    def send(self, number: int, method: Any, properties: Any = None, body: bytes = b"") -> None:
        """Puts a method, and the message that goes with it, on its way to the client."""
        frames = [frame.Method(number, method)]
        if properties is not None:
            frames.append(frame.Header(number, len(body), properties))
            size = spec.FRAME_MAX_SIZE - spec.FRAME_HEADER_SIZE - spec.FRAME_END_SIZE
            frames += [frame.Body(number, body[start : start + size]) for start in range(0, len(body), size)]
        self.outbox.extend(each.marshal() for each in frames)

    def end(self, error: Exception | None = None) -> None:
        """Takes back what is unsettled and deletes what was this connection's own."""
        if self.ended:
            return
        self.ended = True
        for channel in self._channels.values():
            channel.end()
        for queue in list(self.vhost.queues.values()):
            if queue.owner is self:
                self.vhost.delete_queue(queue)
        if error is not None:
            self.outbox.append(error)
        self.vhost.dispatch()

    def _handle(self, received: Any) -> None:
        number = getattr(received, "channel_number", 0)
        if isinstance(received, frame.ProtocolHeader):
            self.send(0, spec.Connection.Start(0, 9, _PROPERTIES, "PLAIN", "en_US"))
        elif isinstance(received, frame.Heartbeat):
            self.outbox.append(frame.Heartbeat().marshal())
        elif number == 0:
            self._handle_connection(received.method)
        elif number in self._closing:
            # The client may not know yet; only its farewell counts.
            if isinstance(getattr(received, "method", None), spec.Channel.CloseOk | spec.Channel.Close):
                self._closing.discard(number)
        else:
            try:
                self._handle_channel(number, received)
            except RefusalError as refusal:
                self._refuse(number, refusal)

    def _handle_connection(self, method: Any) -> None:
        match method.NAME:
            case "Connection.StartOk":
                # It asks for no heartbeats, and answers the client's.
                self.send(0, spec.Connection.Tune(_CHANNEL_MAX, spec.FRAME_MAX_SIZE, 0))
            case "Connection.Open":
                self.send(0, spec.Connection.OpenOk())
            case "Connection.Close":
                self.send(0, spec.Connection.CloseOk())
                self.end()
            case "Connection.UpdateSecret":
                self.send(0, spec.Connection.UpdateSecretOk())

    def _handle_channel(self, number: int, received: Any) -> None:
        if isinstance(received, frame.Method):
            method = received.method
            if isinstance(method, spec.Channel.Open):
                self._channels[number] = Channel(self, number)
                self.send(number, spec.Channel.OpenOk())
            elif isinstance(method, spec.Channel.Close):
                self._channels.pop(number).end()
                self.send(number, spec.Channel.CloseOk())
            elif isinstance(method, spec.Basic.Publish):
                self._contents[number] = (method, [])
            else:
                self._channels[number].handle(method)
            return
        method, parts = self._contents[number]
        parts.append(received)
        body = b"".join(part.fragment for part in parts[1:])
        if len(body) == parts[0].body_size:
            del self._contents[number]
            self._channels[number].publish(method, parts[0].properties, body)

    def _refuse(self, number: int, refusal: RefusalError) -> None:
        text = refusal.text[:_REPLY_TEXT_MAX]
        if refusal.fatal:
            self.send(0, spec.Connection.Close(refusal.code, text, 0, 0))
            self.end()
            return
        self.send(number, spec.Channel.Close(refusal.code, text, 0, 0))
        self._closing.add(number)
        self._channels.pop(number).end()
