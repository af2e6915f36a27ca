"""Exchanges: who gets a message."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from voxtrace.testing.queues import MessageQueue

TYPES: Final = ("direct", "fanout", "topic", "headers")

PREDECLARED: Final = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.topic": "topic",
}


@dataclass(frozen=True, slots=True)
class Binding:
    """What leads from an exchange to a queue or to another exchange."""

    target: "MessageQueue | Exchange"
    routing_key: str
    arguments: Mapping[str, Any]


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange:
    """An exchange and its bindings."""

    name: str
    type: str
    durable: bool = False
    auto_delete: bool = False
    internal: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)
    bindings: list[Binding] = field(default_factory=list)

    def matching(self, routing_key: str, headers: Mapping[str, Any]) -> "list[MessageQueue | Exchange]":
        """The targets of the bindings that a message fits."""
        return [binding.target for binding in self.bindings if self._fits(binding, routing_key, headers)]

    def bind(self, binding: Binding) -> None:
        """Adds a binding; the same one twice is one."""
        if binding not in self.bindings:
            self.bindings.append(binding)

    def unbind(self, binding: Binding) -> None:
        """Removes a binding, if it is there."""
        if binding in self.bindings:
            self.bindings.remove(binding)

    def forget(self, target: "MessageQueue | Exchange") -> None:
        """Removes every binding to something that is gone."""
        self.bindings = [binding for binding in self.bindings if binding.target is not target]

    def _fits(self, binding: Binding, routing_key: str, headers: Mapping[str, Any]) -> bool:
        match self.type:
            case "fanout":
                return True
            case "topic":
                return _topic_fits(binding.routing_key.split("."), routing_key.split("."))
            case "headers":
                return _headers_fit(binding.arguments, headers)
            case _:
                return binding.routing_key == routing_key


def _topic_fits(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_topic_fits(pattern[1:], words[taken:]) for taken in range(len(words) + 1))
    return bool(words) and pattern[0] in {"*", words[0]} and _topic_fits(pattern[1:], words[1:])


def _headers_fit(wanted: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    found = [
        # A binding without value asks for the header alone.
        name in headers and (value is None or headers[name] == value)
        for name, value in wanted.items()
        if not name.startswith("x-")
    ]
    return any(found) if wanted.get("x-match") == "any" else all(found)
