"""What clients declare, bind and delete: AMQP's queue and exchange methods."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from pika import spec

from voxtrace.testing.exchanges import Binding, Exchange
from voxtrace.testing.refusals import precondition_failed

if TYPE_CHECKING:
    from voxtrace.testing.channels import Channel
    from voxtrace.testing.queues import MessageQueue


def _queue(channel: "Channel", name: str) -> "MessageQueue":
    # No name means the queue that this channel declared last.
    return channel.vhost.queue(name or channel.last_queue, channel.session)


def _queue_declare(channel: "Channel", method: Any) -> Any:
    if method.passive:
        queue = _queue(channel, method.queue)
    else:
        queue = channel.vhost.declare_queue(
            method.queue,
            channel.session,
            durable=method.durable,
            exclusive=method.exclusive,
            auto_delete=method.auto_delete,
            arguments=method.arguments or {},
        )
    channel.last_queue = queue.name
    return spec.Queue.DeclareOk(queue.name, len(queue.ready), len(queue.consumers))


def _queue_bind(channel: "Channel", method: Any) -> Any:
    queue = _queue(channel, method.queue)
    key = method.routing_key if method.routing_key or method.queue else queue.name
    channel.vhost.bind(method.exchange, Binding(queue, key, method.arguments or {}), add=True)
    return spec.Queue.BindOk()


def _queue_unbind(channel: "Channel", method: Any) -> Any:
    queue = _queue(channel, method.queue)
    channel.vhost.bind(method.exchange, Binding(queue, method.routing_key, method.arguments or {}), add=False)
    return spec.Queue.UnbindOk()


def _queue_purge(channel: "Channel", method: Any) -> Any:
    queue = _queue(channel, method.queue)
    count = len(queue.ready)
    queue.ready.clear()
    return spec.Queue.PurgeOk(count)


def _queue_delete(channel: "Channel", method: Any) -> Any:
    name = method.queue or channel.last_queue
    if name not in channel.vhost.queues:
        return spec.Queue.DeleteOk(0)
    queue = _queue(channel, name)
    if method.if_unused and queue.consumers:
        raise precondition_failed(f"queue '{name}' in vhost '/' in use")
    if method.if_empty and queue.ready:
        raise precondition_failed(f"queue '{name}' in vhost '/' not empty")
    channel.vhost.delete_queue(queue)
    return spec.Queue.DeleteOk(len(queue.ready))


def _exchange_declare(channel: "Channel", method: Any) -> Any:
    if method.passive:
        channel.vhost.exchange(method.exchange)
    else:
        channel.vhost.declare_exchange(
            Exchange(
                name=method.exchange,
                type=method.type,
                durable=method.durable,
                auto_delete=method.auto_delete,
                internal=method.internal,
                arguments=method.arguments or {},
            )
        )
    return spec.Exchange.DeclareOk()


def _exchange_delete(channel: "Channel", method: Any) -> Any:
    channel.vhost.delete_exchange(method.exchange, if_unused=method.if_unused)
    return spec.Exchange.DeleteOk()


def _exchange_binding(channel: "Channel", method: Any) -> Binding:
    target = channel.vhost.exchange(method.destination)
    return Binding(target, method.routing_key, method.arguments or {})


def _exchange_bind(channel: "Channel", method: Any) -> Any:
    channel.vhost.bind(method.source, _exchange_binding(channel, method), add=True)
    return spec.Exchange.BindOk()


def _exchange_unbind(channel: "Channel", method: Any) -> Any:
    channel.vhost.bind(method.source, _exchange_binding(channel, method), add=False)
    return spec.Exchange.UnbindOk()


HANDLERS: Final[Mapping[str, Callable[["Channel", Any], Any]]] = {
    "Exchange.Bind": _exchange_bind,
    "Exchange.Declare": _exchange_declare,
    "Exchange.Delete": _exchange_delete,
    "Exchange.Unbind": _exchange_unbind,
    "Queue.Bind": _queue_bind,
    "Queue.Declare": _queue_declare,
    "Queue.Delete": _queue_delete,
    "Queue.Purge": _queue_purge,
    "Queue.Unbind": _queue_unbind,
}
"""By AMQP's name of the method: does it, and returns the answer."""
