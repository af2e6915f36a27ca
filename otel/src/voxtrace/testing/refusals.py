"""What the broker says no with."""


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
    return precondition_failed(
        f"inequivalent arg '{argument}' for {kind} '{name}' in vhost '/': "
        f"received {_said(received)} but current is {_said(current)}"
    )


def not_implemented(what: str) -> RefusalError:
    """Beyond what is modelled here, or beyond RabbitMQ."""
    return RefusalError(540, f"NOT_IMPLEMENTED - {what}", fatal=True)


def _said(value: object) -> str:
    if value is None:
        return "none"
    return f"'{str(value).lower() if isinstance(value, bool) else value}'"
