"""
Trace HTTP requests to FastAPI, and decide whose trace they belong to.

A public endpoint must not let strangers choose its trace ids: they could hide
a request (by the sampled flag), collide with other traces or run up the bill.
So an outside request starts a new trace; what the sender said becomes a link on
the SERVER span, and its baggage is dropped. A request whose peer address is in
``VOXTRACE_TRUSTED_SENDERS`` (networks, separated by commas) is continued.

The spans and metrics are those of opentelemetry-instrumentation-fastapi, less
its send and receive spans. Applications see all headers as they were sent.
"""

import functools
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # its file opts out of types
from wrapt import register_post_import_hook

from voxtrace._guard import guarded, report
from voxtrace._w3c.text import BAGGAGE, TRACESTATE, harmless
from voxtrace.semconv import VOXTRACE_LINK_REASON, VOXTRACE_LINK_REASON_UNTRUSTED_SENDER

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["FastAPIInstrumentor", "TrustedSenders"]

TRUSTED_SENDERS: Final = "VOXTRACE_TRUSTED_SENDERS"

# In the ASGI scope. The mark tells applications mounted inside another from the outermost one.
_MARK: Final = "voxtrace.edge"
_HEADERS: Final = "voxtrace.headers"


class TrustedSenders:
    """The networks whose trace context is believed."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [network for text in networks if (network := _network(text)) is not None]

    @classmethod
    def from_environment(cls) -> "TrustedSenders":
        """Read ``VOXTRACE_TRUSTED_SENDERS``; what is no network is reported and trusted by nobody."""
        return cls(os.environ.get(TRUSTED_SENDERS, "").split(","))

    def __contains__(self, address: object) -> bool:
        """Tell whether the peer with this address is trusted; an unknown peer is not."""
        try:
            peer = ip_address(str(address))
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped  # a dual-stack socket shows IPv4 peers this way
        return any(_holds(network, peer) for network in self._networks)


class FastAPIInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # contrib left it untyped
    """
    Instrument every FastAPI application of the process, present and future.

    It takes effect at an application's next call, so it does not matter whether
    FastAPI was imported, or the application made, before or after.

    Args of `instrument`:
        trusted_senders: Networks to trust, in place of the environment's.
        Everything that upstream's `FastAPIInstrumentor.instrument_app` takes.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """None: without FastAPI there is nothing to do and nothing goes wrong."""
        return ()

    def _instrument(self, **options: Any) -> None:
        options.pop("skip_dep_check", None)
        networks = options.pop("trusted_senders", None)
        senders = TrustedSenders.from_environment() if networks is None else TrustedSenders(networks)
        self._edge = _Edge(senders, options)
        # At once if FastAPI is imported, else when it will be: a worker that has no use
        # for FastAPI must not pay for importing it.
        register_post_import_hook(self._edge.open, "fastapi")

    def _uninstrument(self, **_options: Any) -> None:
        self._edge.close()


class _Edge:
    """One period of instrumentation, from `instrument` to `uninstrument`."""

    def __init__(self, senders: TrustedSenders, options: dict[str, Any]) -> None:
        self._senders = senders
        self._hook = options.pop("server_request_hook", None)
        self._options = {"exclude_spans": ["send", "receive"], **options}
        # By application, the middleware stack it had; None for one that is left alone.
        self._stacks: WeakKeyDictionary[FastAPI, ASGIApp | None] = WeakKeyDictionary()
        self._closed = False

    def open(self, fastapi: ModuleType) -> None:
        """Take the calls of all applications; an import hook cannot be withdrawn, so it may come too late."""
        if self._closed:
            return
        application = fastapi.FastAPI
        original = application.__call__
        edge = self

        @functools.wraps(original)
        async def call(self: "FastAPI", scope: "Scope", receive: "Receive", send: "Send") -> None:
            # A mounted application has its span already. (One class, two selfs.)
            if edge._closed or scope["type"] not in {"http", "websocket"} or _MARK in scope:
                await original(self, scope, receive, send)
                return
            with _apart(scope):
                await original(self, edge._admit(self, scope), receive, send)

        application.__call__ = call
        self._restore = lambda: _put_back(application, call, original)

    _restore = staticmethod(lambda: None)

    def close(self) -> None:
        """Give every application back as it was."""
        self._closed = True
        self._restore()
        for app, stack in list(self._stacks.items()):
            if stack is not None:
                _release(app, stack)
        self._stacks.clear()

    def _admit(self, app: "FastAPI", scope: "Scope") -> "Scope":
        admitted = scope
        with guarded("instrument a FastAPI application"):
            if app not in self._stacks:
                self._stacks[app] = _adopt(app, {**self._options, "server_request_hook": self._on_request})
            if self._stacks[app] is not None:
                admitted = {**scope, _MARK: None}
                _screen(admitted, trusted=(scope.get("client") or (None,))[0] in self._senders)
        return admitted

    def _on_request(self, span: trace.Span, scope: "Scope") -> None:
        context = scope.get(_MARK)
        if context is not None:
            span.add_link(context, {VOXTRACE_LINK_REASON: VOXTRACE_LINK_REASON_UNTRUSTED_SENDER})
        if self._hook is not None:
            self._hook(span, scope)


class _Request:
    """Tells whoever runs in the context of a request where that came from and whether it has ended."""

    def __init__(self, scope: "Scope") -> None:
        self.client = scope.get("client")
        self.ended = False


_request: ContextVar[_Request | None] = ContextVar("voxtrace.edge.request", default=None)


@contextmanager
def _apart(scope: "Scope") -> Iterator[None]:
    """
    Keep a request out of the trace of an earlier one, in whose context the server may start it.

    Uvicorn does on a connection that is kept open, once a body was so large that it stopped reading: what
    reads from then on runs in the context of the request for which it went on. That has been answered,
    but need not have ended, so its connection tells too.
    """
    before, this = _request.get(), _Request(scope)
    earlier = before is not None and (before.ended or before.client == this.client is not None)
    left = attach(Context()) if earlier else None
    token = _request.set(this)
    try:
        yield
    finally:
        this.ended = True
        _request.reset(token)
        if left is not None:
            detach(left)


class _OriginalHeaders:
    """Give the application the headers that its own telemetry was not to believe."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        headers = scope.pop(_HEADERS, None)
        if headers is not None:
            scope["headers"] = headers
        await self._app(scope, receive, send)


def _adopt(app: "FastAPI", options: Mapping[str, Any]) -> "ASGIApp | None":
    """Instrument the application and return the stack it had; None where someone else did it before."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor as Upstream  # noqa: PLC0415  # imports FastAPI
    from starlette.middleware.errors import ServerErrorMiddleware  # noqa: PLC0415  # as above

    if getattr(app, "_is_instrumented_by_opentelemetry", False):
        return None
    # Built once at most: rebuilding would make the application's middlewares anew.
    stack: ASGIApp = app.middleware_stack or app.build_middleware_stack()
    if not isinstance(stack, ServerErrorMiddleware):
        return None
    inner = ServerErrorMiddleware(_OriginalHeaders(stack.app), stack.handler, stack.debug)
    vars(app)["build_middleware_stack"] = lambda: inner
    Upstream.instrument_app(app, **options)
    app.middleware_stack = app.build_middleware_stack()
    return stack


def _release(app: "FastAPI", stack: "ASGIApp") -> None:
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor as Upstream  # noqa: PLC0415  # imports FastAPI

    Upstream.uninstrument_app(app)
    vars(app).pop("build_middleware_stack", None)
    app.middleware_stack = stack


def _put_back(application: Any, ours: Any, original: Any) -> None:
    # Someone may have wrapped ours in the meantime; then it stays and lets everything through.
    if application.__call__ is ours:
        application.__call__ = original


def _screen(scope: "Scope", *, trusted: bool) -> None:
    """
    Take a stranger's trace context out of the headers that telemetry sees, and keep it as a link.

    What a propagator would be slow to read goes in any case: a trusted proxy passes on what strangers send.
    """
    fields = {name.lower().encode() for name in propagate.get_global_textmap().fields}
    headers = scope["headers"]
    believed, claims = [], {}
    for name, value in headers:
        if name.lower() not in fields:
            believed.append((name, value))
        elif harmless(text := value.decode("latin-1")):
            if trusted:
                believed.append((name, value))
            else:
                claims[name.lower().decode("latin-1")] = text
    if len(believed) == len(headers):
        return
    scope["headers"] = believed
    scope[_HEADERS] = headers
    if not trusted:
        _link(scope, claims)


def _link(scope: "Scope", claims: dict[str, str]) -> None:
    for name in (BAGGAGE, TRACESTATE):  # the sender's text is not kept, so it is not read
        claims.pop(name, None)
    with guarded("link an outside trace"):
        said = trace.get_current_span(propagate.extract(claims, Context())).get_span_context()
        if said.is_valid:
            # Without a trace state, which another format may have: it is text of the sender's choice.
            scope[_MARK] = trace.SpanContext(
                said.trace_id, said.span_id, is_remote=True, trace_flags=said.trace_flags
            )


def _network(text: str) -> "IPv4Network | IPv6Network | None":
    text = text.strip()
    if not text:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        report(f"read {TRUSTED_SENDERS}: give networks such as 10.0.0.0/8,::1", error)
        return None


def _holds(network: "IPv4Network | IPv6Network", peer: "IPv4Address | IPv6Address") -> bool:
    return peer.version == network.version and peer in network
