"""Tests of the edge: whose trace an HTTP request belongs to, and what an application notices of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import fastapi
import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from opentelemetry import baggage, propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import default_getter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from voxtrace import context
from voxtrace.edge import FastAPIInstrumentor, TrustedSenders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from voxtrace.testing import CapturedTelemetry

STRANGER = ("198.51.100.7", 40000)
COLLEAGUE = ("10.1.2.3", 40000)
TRACE = 0xDEADBEEFDEADBEEFDEADBEEFDEADBEEF
SPAN = 0x00F067AA0BA902B7
SAMPLED = {"traceparent": f"00-{TRACE:032x}-{SPAN:016x}-01"}
HIDDEN = {"traceparent": f"00-{TRACE:032x}-{SPAN:016x}-00"}
FIELDS = ("baggage", "traceparent", "tracestate", "x-other")
LINK = {"trace": TRACE, "span": SPAN, "voxtrace.link.reason": "untrusted_sender"}


class Site:
    """An application under test, called as a server would, from an address of the test's choice."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, path: str = "/upload", *, peer: Any = STRANGER, headers: Any = None) -> httpx.Response:
        """Send one request and return the answer."""

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=peer, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(call())


def _application() -> FastAPI:
    app = FastAPI()

    @app.get("/upload")
    async def upload(request: Request) -> dict[str, Any]:
        return {
            "headers": dict(request.headers),
            "baggage": dict(baggage.get_all()),
            "trace": context.trace_id(),
        }

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("words")

    @app.get("/health")
    async def health() -> None:
        """Answer."""

    return app


@pytest.fixture(name="instrument")
def _instrument(telemetry: CapturedTelemetry) -> Iterator[Callable[..., None]]:
    def instrument(**options: Any) -> None:
        FastAPIInstrumentor().instrument(
            tracer_provider=telemetry.tracer_provider,
            meter_provider=telemetry.meter_provider,
            **{"trusted_senders": ["10.0.0.0/8"], **options},
        )

    yield instrument
    FastAPIInstrumentor().uninstrument()


@pytest.fixture(name="site")
def _site(instrument: Callable[..., None]) -> Site:
    instrument()
    return Site(_application())


def _server_span(telemetry: CapturedTelemetry) -> dict[str, Any]:
    (span,) = telemetry.spans()
    assert span["kind"] == "SERVER"
    return {key: span[key] for key in ("name", "trace", "parent", "remote", "links") if key in span}


@pytest.mark.parametrize("headers", [SAMPLED, HIDDEN], ids=["sampled", "hidden"])
def test_a_strangers_trace_becomes_a_link(site: Site, telemetry: CapturedTelemetry, headers: Any) -> None:
    """A stranger's trace context starts a new trace with a link to it; its flag 00 hides nothing."""
    assert site.get(headers=headers).status_code == 200
    assert _server_span(telemetry) == {"name": "GET /upload", "trace": 1, "links": [LINK]}


def test_the_link_carries_no_text_of_the_sender(site: Site, telemetry: CapturedTelemetry) -> None:
    """The trace state, which is free text, does not get onto the link."""
    site.get(headers={**SAMPLED, "tracestate": "vendor=spam"})
    (link,) = telemetry._ended[0].links
    assert link.context.trace_state == {}
    assert link.context.is_remote


def test_a_trusted_senders_trace_is_continued(site: Site, telemetry: CapturedTelemetry) -> None:
    """A colleague's trace context is the parent, without a link."""
    site.get(peer=COLLEAGUE, headers=SAMPLED)
    assert _server_span(telemetry) == {
        "name": "GET /upload",
        "trace": TRACE,
        "parent": SPAN,
        "remote": True,
    }


def test_a_trusted_sender_may_decide_not_to_sample(site: Site, telemetry: CapturedTelemetry) -> None:
    """A colleague's flag 00 is obeyed."""
    site.get(peer=COLLEAGUE, headers=HIDDEN)
    assert telemetry.spans() == []


@pytest.mark.parametrize(
    "headers",
    [
        None,
        {"traceparent": ""},
        {"traceparent": "00-xyz"},
        {"traceparent": f"00-{0:032x}-{SPAN:016x}-01"},
        {"traceparent": f"ff-{TRACE:032x}-{SPAN:016x}-01"},
        {"traceparent": "0" * 10_000},
        [(b"traceparent", b"\xff\xfe"), (b"traceparent", b"00")],
        {"tracestate": "a=" + "b" * 10_000, "baggage": "=" * 10_000},
    ],
    ids=["none", "empty", "short", "zero", "version", "long", "bytes", "state"],
)
@pytest.mark.parametrize("peer", [STRANGER, COLLEAGUE, None], ids=["stranger", "colleague", "unknown"])
def test_malformed_context_is_harmless(
    site: Site, telemetry: CapturedTelemetry, headers: Any, peer: Any
) -> None:
    """Whatever stands in the headers, the request is answered and is a root without links."""
    assert site.get(peer=peer, headers=headers).status_code == 200
    assert _server_span(telemetry) == {"name": "GET /upload", "trace": 1}


@pytest.mark.parametrize(
    "value", ["x" * 8193, "a" + " " * 64 + "=1", "a" + "\t" * 64 + "=1"], ids=["long", "blanks", "tabs"]
)
@pytest.mark.parametrize("peer", [STRANGER, COLLEAGUE], ids=["stranger", "colleague"])
def test_what_takes_long_to_read_is_not_read(
    site: Site, monkeypatch: pytest.MonkeyPatch, peer: Any, value: str
) -> None:
    """Neither 8 KiB nor a run of blanks reaches a propagator, whoever sent it; the application gets them."""
    read: list[str] = []

    class Reading(TraceContextTextMapPropagator):
        def extract(self, carrier: Any, context: Any = None, getter: Any = default_getter) -> Context:
            read.extend(text for field in FIELDS for text in getter.get(carrier, field) or ())
            return Context()

        @property
        def fields(self) -> set[str]:
            return set(FIELDS)

    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", Reading())
    sent = dict.fromkeys(FIELDS, value)
    seen = site.get(peer=peer, headers={**sent, "x-own": "short"}).json()["headers"]
    assert read == []
    assert {name: seen[name] for name in sent} == sent
    site.get(peer=peer, headers=SAMPLED)
    assert read == [SAMPLED["traceparent"]]


def test_no_text_of_strangers_is_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A stranger's trace state and baggage are not even read, so that nobody complains about them."""
    assert site.get(headers={**SAMPLED, "tracestate": "SPAM", "baggage": "SPAM"}).status_code == 200
    assert caplog.messages == []


@pytest.mark.parametrize(("peer", "expected"), [(STRANGER, {}), (None, {}), (COLLEAGUE, {"tenant": "blue"})])
def test_baggage_of_strangers_is_dropped(site: Site, peer: Any, expected: dict[str, str]) -> None:
    """Baggage crosses the edge from trusted senders alone."""
    answer = site.get(peer=peer, headers={**SAMPLED, "baggage": "tenant=blue"}).json()
    assert answer["baggage"] == expected


def test_the_application_sees_the_headers_as_sent(site: Site) -> None:
    """Telemetry ignores a stranger's headers; the application still gets them."""
    sent = {**SAMPLED, "tracestate": "a=b", "baggage": "tenant=blue"}
    seen = site.get(headers=sent).json()["headers"]
    assert {name: seen[name] for name in sent} == sent


def test_an_application_made_and_used_before_is_instrumented(
    instrument: Callable[..., None], telemetry: CapturedTelemetry
) -> None:
    """An application that has already answered requests is traced from the next one on."""
    site = Site(_application())
    site.get()
    instrument()
    site.get()
    assert _server_span(telemetry) == {"name": "GET /upload", "trace": 1}


def test_user_middleware_is_not_made_anew(instrument: Callable[..., None]) -> None:
    """Instrumenting and restoring a running application keeps the middleware instances it has."""
    made = []

    class Counting:
        def __init__(self, app: Any) -> None:
            self._app = app
            made.append(self)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self._app(scope, receive, send)

    app = _application()
    app.add_middleware(Counting)
    site = Site(app)
    site.get()
    instrument()
    site.get()
    FastAPIInstrumentor().uninstrument()
    site.get()
    assert len(made) == 1


def test_uninstrument_restores_everything(
    instrument: Callable[..., None], telemetry: CapturedTelemetry
) -> None:
    """After uninstrument the class and the application are as before, and nothing is traced."""
    call = fastapi.FastAPI.__call__
    app = _application()
    site = Site(app)
    site.get()
    stack, attributes = app.middleware_stack, set(vars(app))
    instrument()
    site.get()
    FastAPIInstrumentor().uninstrument()
    telemetry.clear()
    assert site.get(headers=SAMPLED).status_code == 200
    assert telemetry.spans() == []
    assert fastapi.FastAPI.__call__ is call
    assert app.middleware_stack is stack
    assert set(vars(app)) - attributes <= {"_is_instrumented_by_opentelemetry"}


def test_it_can_be_instrumented_again(instrument: Callable[..., None], telemetry: CapturedTelemetry) -> None:
    """A second period of instrumentation traces each request once."""
    site = Site(_application())
    for _ in range(2):
        instrument()
        site.get()
        FastAPIInstrumentor().uninstrument()
    assert [span["name"] for span in telemetry.spans()] == ["GET /upload"] * 2


def test_a_mounted_application_adds_no_span(
    instrument: Callable[..., None], telemetry: CapturedTelemetry
) -> None:
    """A request to a FastAPI inside a FastAPI is one SERVER span."""
    instrument()
    outer = FastAPI()
    outer.mount("/inner", _application())
    assert Site(outer).get("/inner/upload", headers=SAMPLED).status_code == 200
    (span,) = telemetry.spans()
    assert (span["kind"], span["links"]) == ("SERVER", [LINK])


def test_an_unhandled_exception_reaches_the_server_unmodified(
    site: Site, telemetry: CapturedTelemetry
) -> None:
    """The application's exception leaves as it is; the span is an error."""

    async def call() -> None:
        transport = httpx.ASGITransport(site.app, client=STRANGER)
        async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
            await client.get("/broken", headers=SAMPLED)

    with pytest.raises(LookupError, match=r"^words$"):
        asyncio.run(call())
    (span,) = telemetry.spans()
    assert (span["name"], span["status"], span["links"]) == ("GET /broken", "ERROR", [LINK])


def test_the_applications_own_error_handler_is_used(
    instrument: Callable[..., None], telemetry: CapturedTelemetry
) -> None:
    """A handler for all exceptions answers as before, and sees the headers as sent."""
    instrument()
    app = _application()

    @app.exception_handler(Exception)
    async def handle(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(request.headers["traceparent"], 500)

    answer = Site(app).get("/broken", headers=SAMPLED)
    assert (answer.status_code, answer.text) == (500, SAMPLED["traceparent"])


def test_an_excluded_url_keeps_its_headers_and_has_no_span(
    instrument: Callable[..., None], telemetry: CapturedTelemetry
) -> None:
    """Excluding a URL switches its telemetry off, and nothing else."""
    instrument(excluded_urls="/upload")
    seen = Site(_application()).get(headers=SAMPLED).json()["headers"]
    assert seen["traceparent"] == SAMPLED["traceparent"]
    assert telemetry.spans() == []


def test_the_users_hook_is_called_too(instrument: Callable[..., None], telemetry: CapturedTelemetry) -> None:
    """A server_request_hook of the user's works beside the edge's own."""
    instrument(server_request_hook=lambda span, scope: span.set_attribute("seen", scope["path"]))
    Site(_application()).get(headers=SAMPLED)
    (span,) = telemetry.spans()
    assert (span["attributes"]["seen"], span["links"]) == ("/upload", [LINK])


def test_an_application_instrumented_by_hand_is_left_alone(
    instrument: Callable[..., None], telemetry: CapturedTelemetry
) -> None:
    """Where someone chose upstream's instrumentation for an application, ours stays away."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor as Upstream  # noqa: PLC0415  # as used here

    app = _application()
    Upstream.instrument_app(app, tracer_provider=telemetry.tracer_provider, exclude_spans=["send", "receive"])
    instrument()
    Site(app).get(headers=SAMPLED)
    assert _server_span(telemetry)["trace"] == TRACE
    Upstream.uninstrument_app(app)


def test_request_durations_are_measured(site: Site, telemetry: CapturedTelemetry) -> None:
    """Upstream's request metrics come with it."""
    site.get()
    assert any(name.startswith("http.server.") for name in telemetry.metrics())


@pytest.mark.parametrize(
    ("networks", "peer", "trusted"),
    [
        ([], "10.0.0.1", False),
        (["10.0.0.0/8"], "10.0.0.1", True),
        (["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.5/8"], "10.9.9.9", True),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["fd00::/8", " 10.0.0.0/8 "], "fd12::1", True),
        (["0.0.0.0/0"], "::1", False),
        (["10.0.0.0/8"], "testclient", False),
        (["10.0.0.0/8"], None, False),
        (["nonsense", "10.0.0.0/8"], "10.0.0.1", True),
    ],
)
def test_trusted_senders(networks: list[str], peer: object, trusted: bool) -> None:
    """A peer is trusted when its address lies in a network of the list; a bad entry trusts nobody."""
    assert (peer in TrustedSenders(networks)) is trusted


def test_trusted_senders_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is a list of networks, separated by commas."""
    monkeypatch.setenv("VOXTRACE_TRUSTED_SENDERS", "10.0.0.0/8, ::1")
    assert "::1" in TrustedSenders.from_environment()
    monkeypatch.delenv("VOXTRACE_TRUSTED_SENDERS")
    assert "10.0.0.1" not in TrustedSenders.from_environment()


def test_instrumenting_does_not_import_fastapi() -> None:
    """A process that has no use for FastAPI does not pay for it; one that imports it later is traced."""
    code = (
        "import sys; from voxtrace.edge import FastAPIInstrumentor as I; I().instrument();"
        "assert 'fastapi' not in sys.modules; import fastapi;"
        "assert fastapi.FastAPI.__call__.__wrapped__; I().uninstrument();"
        "assert not hasattr(fastapi.FastAPI.__call__, '__wrapped__')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
