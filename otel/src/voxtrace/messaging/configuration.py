"""What may be chosen about the instrumentation of pika, and who chooses: code, environment or file."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, cast

from opentelemetry.trace import Span

from voxtrace._guard import report

Hook = Callable[[Span, Any, Any, Any], object]
"""Takes a span, and the method, properties and body of its message."""
ResponseHook = Callable[[Span, Any, Any, Any, "str | BaseException | None"], object]
"""Takes the same, and what came of the message: its settlement, the exception, or None."""

ENVIRONMENT_PREFIX: Final = "VOXTRACE_MESSAGING_"
_STABILITY_OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
_FLAGS: Final = {
    **dict.fromkeys(("true", "1", "on", "yes"), True),
    **dict.fromkeys(("false", "0", "off", "no"), False),
}


class Options(TypedDict, total=False):
    """The options of `PikaInstrumentor.instrument`, under the names of `Configuration`; None says nothing."""

    correlation: Literal["parent", "link"] | None
    settle_spans: Literal["failures", "all", "none"] | None
    wait_spans: bool | None
    untrusted_queues: Iterable[str] | None
    excluded_queues: Iterable[str] | None
    excluded_exchanges: Iterable[str] | None
    baggage_keys: Iterable[str] | None
    dup: bool | None
    publish_hook: Hook | None
    process_hook: Hook | None
    response_hook: ResponseHook | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """
    One choice of everything that can be chosen; what is not said has the default.

    Attributes:
        correlation: `parent` puts a message's process span under its creation context and links it too,
            `link` links it alone, and starts a trace of its own.
        settle_spans: Which settlements are spans: `failures` (nack, reject, requeue), `all` or `none`.
        wait_spans: Whether the time in the queue is a span; it is measured in any case.
        untrusted_queues: Globs of queues whose senders are strangers: linked, never continued.
        excluded_queues: Globs of queues whose messages are not traced.
        excluded_exchanges: The same of exchanges; the default one is called `amq.default`.
        baggage_keys: Globs of the baggage that travels with messages; None for all that fits in 8 KiB.
        dup: Whether the names of older semantic conventions are emitted beside the new.
        publish_hook: Called when a publish starts.
        process_hook: Called when the processing of a message starts.
        response_hook: Called when the processing of a message ends.
    """

    correlation: Literal["parent", "link"] = "parent"
    settle_spans: Literal["failures", "all", "none"] = "failures"
    wait_spans: bool = True
    untrusted_queues: tuple[str, ...] = ()
    excluded_queues: tuple[str, ...] = ()
    excluded_exchanges: tuple[str, ...] = ()
    baggage_keys: tuple[str, ...] | None = None
    dup: bool = False
    publish_hook: Hook | None = None
    process_hook: Hook | None = None
    response_hook: ResponseHook | None = None


@dataclass(frozen=True, init=False)
class Declaration:
    """
    What a declarative configuration file says under ``instrumentation/development.python.voxtrace_pika``.

    opentelemetry-configuration makes one and hands its fields to `instrument`. All options are in one field,
    since the file, the weakest source, must not be taken for an argument, the strongest.
    """

    declared: dict[str, object]

    def __init__(self, **declared: object) -> None:
        object.__setattr__(self, "declared", declared)


def resolve(arguments: Mapping[str, object], declared: Mapping[str, object] | None = None) -> Configuration:
    """
    The configuration by arguments, environment and file, the stronger first.

    A value that makes no sense is reported once, and the next source is asked.

    Raises:
        TypeError: An argument is no option.
    """
    if unknown := sorted(arguments.keys() - _READERS.keys()):
        raise TypeError(
            f"PikaInstrumentor has no option {', '.join(unknown)}. It has: {', '.join(sorted(_READERS))}"
        )
    declared = declared or {}
    for name in sorted(declared.keys() - _READERS.keys()):
        report(f"use {_where(name)}: there is no such option", KeyError(name))
    defaults, chosen = Configuration(), dict[str, Any]()
    for name, (read, expected) in _READERS.items():
        refused: dict[str, ValueError] = {}
        for where, value in _said(name, arguments, declared):
            try:
                chosen[name] = read(value)
                break
            except ValueError as error:
                refused[where] = error
        for where, reason in refused.items():
            used = _spoken(chosen.get(name, getattr(defaults, name)))
            report(f"use {where}: say {expected}; {used} is used instead", reason)
    return dataclasses.replace(defaults, **chosen)


def _said(
    name: str, arguments: Mapping[str, object], declared: Mapping[str, object]
) -> Iterator[tuple[str, object]]:
    """What each source says of an option, with the source's name; the stronger first."""
    if arguments.get(name) is not None:
        yield f"the argument {name}", arguments[name]
    if name in _ARGUMENTS_ONLY:
        if name in declared:
            report(f"use {_where(name)}: give it as an argument", KeyError(name))
        return
    variable = ENVIRONMENT_PREFIX + name.upper()
    if os.environ.get(variable, "").strip():
        yield variable, os.environ[variable]
    if name == "dup" and "messaging/dup" in _split(os.environ.get(_STABILITY_OPT_IN, "")):
        yield _STABILITY_OPT_IN, True
    if declared.get(name) is not None:
        yield _where(name), declared[name]


def _spoken(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if value and isinstance(value, tuple) else str(value or "the default")


def _where(name: str) -> str:
    return f"the option {name} of voxtrace_pika in OTEL_CONFIG_FILE"


def _split(text: str) -> tuple[str, ...]:
    return tuple(part for piece in text.split(",") if (part := piece.strip()))


def _globs(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return _split(value)
    if isinstance(value, Iterable):
        globs = tuple(value)
        if all(isinstance(glob, str) for glob in globs):
            return globs
    raise ValueError(type(value))


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in _FLAGS:
        raise ValueError(type(value))
    return _FLAGS[text]


def _one_of(*choices: str) -> tuple[Callable[[object], str], str]:
    def read(value: object) -> str:
        text = value.strip().lower() if isinstance(value, str) else ""
        if text not in choices:
            raise ValueError(type(value))
        return text

    return read, " or ".join(choices)


def _hook(value: object) -> Callable[..., object]:
    if not callable(value):
        raise ValueError(type(value))  # noqa: TRY004 - read as every other value that makes no sense
    return cast("Callable[..., object]", value)


_READERS: Final[dict[str, tuple[Callable[[object], object], str]]] = {
    "correlation": _one_of("parent", "link"),
    "settle_spans": _one_of("failures", "all", "none"),
    "wait_spans": (_flag, "true or false"),
    "untrusted_queues": (_globs, "names or globs, such as edge.*"),
    "excluded_queues": (_globs, "names or globs, such as health.*"),
    "excluded_exchanges": (_globs, "names or globs, such as health.*"),
    "baggage_keys": (_globs, "names or globs, such as job.*"),
    "dup": (_flag, "true or false"),
    "publish_hook": (_hook, "a function"),
    "process_hook": (_hook, "a function"),
    "response_hook": (_hook, "a function"),
}
_ARGUMENTS_ONLY: Final = frozenset({"publish_hook", "process_hook", "response_hook"})
