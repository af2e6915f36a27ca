"""A channel as the broker sees it: what was asked on it, what is in the client's hands."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pika import spec

from voxtrace.testing import declarations
from voxtrace.testing.messages import Message, long_integer
from voxtrace.testing.queues import Consumer, MessageQueue
from voxtrace.testing.refusals import RefusalError, access_refused, not_implemented, precondition_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace.testing.sessions import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unsettled:
    message: Message
    queue: MessageQueue
    consumer: Consumer | None


class Channel:
    """The broker's end of one channel."""

    def __init__(self, session: "Session", number: int) -> None:
        self.session = session
        self.vhost = session.vhost
        self.last_queue = ""
        self._number = number
        self._consumers: dict[str, Consumer] = {}
        self._unsettled: dict[int, _Unsettled] = {}
        self._deliveries = 0
        self._publishes: int | None = None
        self._prefetch = 0
        self._shared_prefetch = 0
        self._handlers: dict[str, Callable[[Any], Any]] = {
            "Basic.Ack": self._ack,
            "Basic.Cancel": self._cancel,
            "Basic.Consume": self._consume,
            "Basic.Get": self._get,
            "Basic.Nack": self._nack,
            "Basic.Qos": self._qos,
            "Basic.Recover": self._recover,
            "Basic.Reject": self._nack,
            "Channel.Flow": lambda method: spec.Channel.FlowOk(method.active),
            "Confirm.Select": self._confirm,
        }

    def handle(self, method: Any) -> None:
        """Does what a method without content asks for, and answers."""
        handler = self._handlers.get(method.NAME)
        if handler is not None:
            answer = handler(method)
        elif (declaration := declarations.HANDLERS.get(method.NAME)) is not None:
            answer = declaration(self, method)
        else:
            raise not_implemented(f"{method.NAME} is not modelled in memory")
        if answer is not None and not getattr(method, "nowait", False):
            self.send(answer)

    def send(self, method: Any, properties: Any = None, body: bytes = b"") -> None:
        """Sends a method to the client, with a message where there are properties."""
        self.session.send(self._number, method, properties, body)

    def publish(self, method: Any, properties: Any, body: bytes) -> None:
        """Routes a message and says, where asked to, what came of it."""
        if method.immediate:
            raise not_implemented("immediate=true")
        if self.vhost.exchange(method.exchange).internal:
            raise access_refused(f"cannot publish to internal exchange '{method.exchange}' in vhost '/'")
        if properties.expiration is not None and not properties.expiration.isdecimal():
            raise precondition_failed(f"invalid expiration '{properties.expiration}'")
        message = Message(
            exchange=method.exchange, routing_key=method.routing_key, properties=properties, body=body
        )
        queues = self.vhost.route(message)
        if method.mandatory and not queues:
            self.send(
                spec.Basic.Return(312, "NO_ROUTE", method.exchange, method.routing_key), properties, body
            )
        refused = any(queue.full for queue in queues)
        for queue in queues:
            if not queue.full:
                self.vhost.enqueue(queue, message.copy())
            elif queue.arguments["x-overflow"] == "reject-publish-dlx":
                self.vhost.bury(queue, message, "maxlen")
        if self._publishes is not None:
            self._publishes += 1
            answer = spec.Basic.Nack if refused else spec.Basic.Ack
            self.send(answer(self._publishes))

    def deliver(self, consumer: Consumer, message: Message) -> None:
        """Pushes a message to a consumer of this channel."""
        tag = self._hand_over(consumer.queue, message, consumer, auto_ack=consumer.auto_ack)
        self.send(
            spec.Basic.Deliver(
                consumer.tag, tag, message.returned > 0, message.exchange, message.routing_key
            ),
            _seen(consumer.queue, message),
            message.body,
        )

    def has_room(self) -> bool:
        """True where the limit that the channel's consumers share is not reached."""
        shared = sum(consumer.unsettled for consumer in self._consumers.values())
        return not self._shared_prefetch or shared < self._shared_prefetch

    def cancelled(self, consumer: Consumer) -> None:
        """Tells the client that a consumer's queue is gone."""
        self._consumers.pop(consumer.tag, None)
        self.send(spec.Basic.Cancel(consumer.tag, nowait=True))

    def end(self) -> None:
        """Takes back what is unsettled and forgets the consumers, as when the channel closes."""
        for consumer in self._consumers.values():
            self.vhost.forget_consumer(consumer)
        self._consumers.clear()
        self._return(list(self._unsettled))

    def _consume(self, method: Any) -> Any:
        queue = self.vhost.queue(method.queue or self.last_queue, self.session)
        tag = method.consumer_tag or f"amq.ctag-{self._number}-{len(self._consumers) + 1}"
        if tag in self._consumers:
            raise RefusalError(530, f"NOT_ALLOWED - attempt to reuse consumer tag '{tag}'", fatal=True)
        if any(other.exclusive for other in queue.consumers) or (method.exclusive and queue.consumers):
            raise access_refused(f"queue '{queue.name}' in vhost '/' in exclusive use")
        consumer = Consumer(
            tag=tag,
            queue=queue,
            channel=self,
            auto_ack=method.no_ack,
            exclusive=method.exclusive,
            prefetch=self._prefetch,
        )
        self._consumers[tag] = consumer
        queue.consumers.append(consumer)
        return spec.Basic.ConsumeOk(tag)

    def _cancel(self, method: Any) -> Any:
        consumer = self._consumers.pop(method.consumer_tag, None)
        if consumer is not None:
            self.vhost.forget_consumer(consumer)
        return spec.Basic.CancelOk(method.consumer_tag)

    def _get(self, method: Any) -> None:
        queue = self.vhost.queue(method.queue or self.last_queue, self.session)
        if not queue.ready:
            self.send(spec.Basic.GetEmpty())
            return
        message = queue.ready.pop(0)
        tag = self._hand_over(queue, message, None, auto_ack=method.no_ack)
        self.send(
            spec.Basic.GetOk(
                tag, message.returned > 0, message.exchange, message.routing_key, len(queue.ready)
            ),
            _seen(queue, message, pulled=True),
            message.body,
        )

    def _qos(self, method: Any) -> Any:
        if method.prefetch_size:
            raise not_implemented(f"prefetch_size!=0 ({method.prefetch_size})")
        if method.global_qos:
            self._shared_prefetch = method.prefetch_count
        else:
            self._prefetch = method.prefetch_count
        return spec.Basic.QosOk()

    def _confirm(self, _method: Any) -> Any:
        self._publishes = self._publishes or 0
        return spec.Confirm.SelectOk()

    def _ack(self, method: Any) -> None:
        for tag in self._meant(method.delivery_tag, multiple=method.multiple):
            self._settle(tag)

    def _nack(self, method: Any) -> None:
        tags = self._meant(method.delivery_tag, multiple=getattr(method, "multiple", False))
        if method.requeue:
            self._return(tags)
            return
        for tag in tags:
            held = self._settle(tag)
            self.vhost.bury(held.queue, held.message, "rejected")

    def _recover(self, method: Any) -> Any:
        if not method.requeue:
            raise not_implemented("requeue=false")
        self._return(list(self._unsettled))
        return spec.Basic.RecoverOk()

    def _hand_over(
        self, queue: MessageQueue, message: Message, consumer: Consumer | None, *, auto_ack: bool
    ) -> int:
        self._deliveries += 1
        if not auto_ack:
            self._unsettled[self._deliveries] = _Unsettled(message=message, queue=queue, consumer=consumer)
            if consumer is not None:
                consumer.unsettled += 1
        return self._deliveries

    def _meant(self, tag: int, *, multiple: bool) -> list[int]:
        if multiple and tag == 0:
            return list(self._unsettled)
        if tag not in self._unsettled:
            raise precondition_failed(f"unknown delivery tag {tag}")
        return [other for other in self._unsettled if other <= tag] if multiple else [tag]

    def _settle(self, tag: int) -> _Unsettled:
        held = self._unsettled.pop(tag)
        if held.consumer is not None:
            held.consumer.unsettled -= 1
        return held

    def _return(self, tags: list[int]) -> None:
        for held in [self._settle(tag) for tag in tags]:
            self.vhost.give_back(held.queue, held.message)


def _seen(queue: MessageQueue, message: Message, *, pulled: bool = False) -> Any:
    """The properties a client sees: quorum queues write into the headers how often a message came back."""
    # RabbitMQ's zero is for basic_get alone.
    if queue.quorum and (message.returned or pulled):
        return message.with_headers(**{"x-delivery-count": long_integer(message.returned)}).properties
    return message.properties
