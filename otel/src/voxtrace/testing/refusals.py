"""What the broker says no with."""

from typing import Final


class RefusalError(Exception):
    """
    An operation that RabbitMQ answers by closing the channel, or the connection where `fatal`.

    Attributes:
        code: The AMQP reply code.
        text: The reply text, as RabbitMQ words it.
    """

    def __init__(self, code: int, text: str, *, fatal: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.fatal = fatal


def not_found(kind: str, name: str) -> RefusalError:
    """There is no such queue or exchange."""
    return RefusalError(404, f"NOT_FOUND - no {kind} '{name}' in vhost '/'")


def access_refused(what: str) -> RefusalError:
    """It is there and not for you."""
    return RefusalError(403, f"ACCESS_REFUSED - {what}")


def locked(queue: str) -> RefusalError:
    """A queue that is exclusive to another connection."""
    return RefusalError(
        405, f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost '/'"
    )


def precondition_failed(what: str) -> RefusalError:
    """Something else than what was asked for."""
    return RefusalError(406, f"PRECONDITION_FAILED - {what}")


def inequivalent(argument: str, kind: str, name: str, received: object, current: object) -> RefusalError:
    """A queue or exchange is declared a second time, and differently."""
    said = _said_of_argument if argument.startswith("x-") else _said
    return precondition_failed(
        f"inequivalent arg '{argument}' for {kind} '{name}' in vhost '/': "
        f"received {said(received)} but current is {said(current)}"
    )


def not_implemented(what: str) -> RefusalError:
    """Beyond what is modelled here, or beyond RabbitMQ."""
    return RefusalError(540, f"NOT_IMPLEMENTED - {what}", fatal=True)


def _said(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return f"'{str(value).lower()}'"
        case _:
            return f"'{value}'"


def _said_of_argument(value: object) -> str:
    if value is None:
        return "none"
    return f"the value {_said(value)} of type '{_AMQP_TYPES.get(type(value), 'long')}'"


# What RabbitMQ calls the types of a table; pika's own integer is that of 64 bits.
_AMQP_TYPES: Final = {bool: "bool", int: "signedint", str: "longstr"}
