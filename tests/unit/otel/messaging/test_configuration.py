"""Who decides: arguments, then the environment, then the configuration file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace import _guard
from voxtrace.messaging import PikaInstrumentor
from voxtrace.messaging.configuration import Configuration, Declaration, resolve

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "_reported", set())
    for name in list(os.environ):
        if name.startswith(("VOXTRACE_MESSAGING_", "OTEL_SEMCONV_")):
            monkeypatch.delenv(name)


def test_nothing_said_is_the_default() -> None:
    """Without a word from anyone, everything is traced and continued, and nothing is doubled."""
    assert (
        resolve({})
        == Configuration()
        == Configuration(
            correlation="parent",
            settle_spans="failures",
            wait_spans=True,
            untrusted_queues=(),
            excluded_queues=(),
            excluded_exchanges=(),
            baggage_keys=None,
            dup=False,
            publish_hook=None,
            process_hook=None,
            response_hook=None,
        )
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CORRELATION", " Link ", {"correlation": "link"}),
        ("SETTLE_SPANS", "all", {"settle_spans": "all"}),
        ("WAIT_SPANS", "FALSE", {"wait_spans": False}),
        ("UNTRUSTED_QUEUES", "edge.*, public", {"untrusted_queues": ("edge.*", "public")}),
        ("EXCLUDED_QUEUES", "health", {"excluded_queues": ("health",)}),
        ("EXCLUDED_EXCHANGES", "amq.*", {"excluded_exchanges": ("amq.*",)}),
        ("BAGGAGE_KEYS", "job.*", {"baggage_keys": ("job.*",)}),
        ("BAGGAGE_KEYS", ",", {"baggage_keys": ()}),
        ("BAGGAGE_KEYS", "", {}),
        ("DUP", "true", {"dup": True}),
    ],
)
def test_every_option_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: dict[str, Any]
) -> None:
    """Each has a variable; an empty one counts as unset, as everywhere in OpenTelemetry."""
    monkeypatch.setenv(f"VOXTRACE_MESSAGING_{variable}", value)
    assert resolve({}) == Configuration(**expected)


@pytest.mark.parametrize(
    ("opt_in", "dup"), [("http, messaging/dup", True), ("messaging", False), ("messaging/duplicate", False)]
)
def test_the_stability_opt_in_doubles_names(monkeypatch: pytest.MonkeyPatch, opt_in: str, dup: bool) -> None:
    """OTEL_SEMCONV_STABILITY_OPT_IN asks for the old names as every instrumentation is asked."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", opt_in)
    assert resolve({}).dup is dup
    assert resolve({"dup": False}).dup is False


def test_the_stronger_source_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument wins over the environment, and that over the file."""
    declared = {"correlation": "link", "settle_spans": "none", "wait_spans": False, "excluded_queues": ["f"]}
    monkeypatch.setenv("VOXTRACE_MESSAGING_SETTLE_SPANS", "all")
    monkeypatch.setenv("VOXTRACE_MESSAGING_WAIT_SPANS", "false")
    monkeypatch.setenv("VOXTRACE_MESSAGING_EXCLUDED_QUEUES", "e")
    assert resolve({"wait_spans": True, "excluded_queues": None}, declared) == Configuration(
        correlation="link", settle_spans="all", wait_spans=True, excluded_queues=("e",)
    )


def test_an_unknown_argument_is_refused() -> None:
    """A misspelt option fails where it is written, and the error names what there is."""
    with pytest.raises(TypeError, match=r"no option corelation\. It has: baggage_keys, correlation"):
        PikaInstrumentor().instrument(corelation="link")
    assert not PikaInstrumentor().is_instrumented_by_opentelemetry


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("CORRELATION", "none", "say parent or link; parent is used instead"),
        ("SETTLE_SPANS", "some", "say failures or all or none; failures is used instead"),
        ("WAIT_SPANS", "maybe", "say true or false; true is used instead"),
    ],
)
def test_a_bad_variable_is_reported_once_and_passed_over(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variable: str,
    value: str,
    expected: str,
) -> None:
    """The report says what to say, not what was said, and the next source decides."""
    name = f"VOXTRACE_MESSAGING_{variable}"
    monkeypatch.setenv(name, value)
    assert resolve({}) == resolve({}) == Configuration()
    assert resolve({}, {variable.lower(): getattr(Configuration(), variable.lower())}) == Configuration()
    assert len(caplog.records) == 1
    assert f"could not use {name}: {expected} (ValueError" in caplog.text


def test_a_report_says_what_is_used_instead(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bad argument is passed over for the next source, or for the default, and the report says so."""
    monkeypatch.setenv("VOXTRACE_MESSAGING_CORRELATION", "link")
    monkeypatch.setenv("VOXTRACE_MESSAGING_UNTRUSTED_QUEUES", "edge.*,web")
    arguments: dict[str, Any] = {"correlation": "both", "untrusted_queues": 7, "excluded_queues": 7}
    expected = Configuration(correlation="link", untrusted_queues=("edge.*", "web"))
    assert resolve(arguments) == expected
    assert "say parent or link; link is used instead" in caplog.text
    assert "such as edge.*; edge.*,web is used instead" in caplog.text
    assert "such as health.*; the default is used instead" in caplog.text


@pytest.mark.parametrize(
    ("text", "flag"),
    [("1", True), ("on", True), ("Yes", True), ("0", False), ("off", False), ("NO", False)],
)
def test_a_flag_may_be_said_in_other_words(monkeypatch: pytest.MonkeyPatch, text: str, flag: bool) -> None:
    """What people write for true and false is understood."""
    monkeypatch.setenv("VOXTRACE_MESSAGING_WAIT_SPANS", text)
    monkeypatch.setenv("VOXTRACE_MESSAGING_DUP", text)
    assert resolve({}) == Configuration(wait_spans=flag, dup=flag)


@pytest.mark.parametrize("value", [7, [1], b"queue", {"a": 1}.items(), object()])
def test_a_bad_list_is_reported_and_passed_over(caplog: pytest.LogCaptureFixture, value: Any) -> None:
    """Globs are text: one comma-separated, or some."""
    assert resolve({"excluded_queues": value}) == Configuration()
    assert "could not use the argument excluded_queues: say names or globs" in caplog.text


def test_what_the_file_cannot_say_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A name that is no option, or is a function, costs the other options of the file nothing."""
    declared = {"corelation": "link", "publish_hook": "print", "settle_spans": "all"}
    assert resolve({}, declared) == Configuration(settle_spans="all")
    assert "could not use the option corelation of voxtrace_pika in OTEL_CONFIG_FILE" in caplog.text
    assert "could not use the option publish_hook of voxtrace_pika in OTEL_CONFIG_FILE" in caplog.text


def test_a_hook_is_a_function(caplog: pytest.LogCaptureFixture) -> None:
    """Functions are given by argument, and nothing else is taken for one."""
    assert resolve({"publish_hook": print}).publish_hook is print
    assert resolve({"publish_hook": "print"}).publish_hook is None
    assert "could not use the argument publish_hook: say a function" in caplog.text


def test_a_declaration_holds_whatever_the_file_says() -> None:
    """The file's options come as one field, so that they are not taken for arguments."""
    assert Declaration(correlation="link", anything=7).declared == {"correlation": "link", "anything": 7}


def test_the_instrumentor_carries_its_configuration(provider: TracerProvider) -> None:
    """What was chosen is there for everything that traces; what the loader adds is no option."""
    instrumentor = PikaInstrumentor()
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True, correlation="link")
    try:
        assert instrumentor._instrumentation is not None
        assert instrumentor._instrumentation.telemetry.configuration == Configuration(correlation="link")
    finally:
        instrumentor.uninstrument()
