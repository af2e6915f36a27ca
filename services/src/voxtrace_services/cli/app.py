"""The commands of `voxtrace`: options in, one call, output; what they do lives in the modules beside."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import asdict
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated, Any

import typer

from voxtrace_services.cli import diagnosis, fault, supervisor
from voxtrace_services.cli.addresses import console_token, data_dir, resolve
from voxtrace_services.cli.backend import Backend, first_document
from voxtrace_services.cli.demo import Demonstration
from voxtrace_services.cli.doctor import examine, findings_table
from voxtrace_services.cli.errors import (
    CommandError,
    ProblemError,
    StackError,
    TraceMissingError,
    UnreachableError,
)
from voxtrace_services.cli.gateway import Gateway
from voxtrace_services.cli.load.command import load
from voxtrace_services.cli.page import public_page
from voxtrace_services.cli.record import Record
from voxtrace_services.cli.recording import default_recording
from voxtrace_services.cli.screen import error_screen, print_json, screen
from voxtrace_services.cli.session import session, start_detached
from voxtrace_services.cli.status import running, standings_table, survey
from voxtrace_services.cli.steps import Steps
from voxtrace_services.cli.table import red_table
from voxtrace_services.cli.trace import Trace
from voxtrace_services.cli.waterfall import Waterfall
from voxtrace_services.native.errors import MissingPartError
from voxtrace_services.native.install import require
from voxtrace_services.native.parts import missing

app = typer.Typer(
    name="voxtrace",
    help="Run a speech pipeline, send it audio and see where each second of an upload went.",
    no_args_is_help=True,
    add_completion=False,
    # A bug should show Python's own traceback: it is what an issue needs.
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_TRACE_ID = re.compile(r"[0-9a-f]{32}")

GatewayUrl = Annotated[
    str | None,
    typer.Option("--gateway", metavar="URL", envvar="VOXTRACE_GATEWAY_URL", help="The gateway's address."),
]
ConsoleUrl = Annotated[
    str | None,
    typer.Option("--console", metavar="URL", envvar="VOXTRACE_CONSOLE_URL", help="The console's address."),
]
JaegerUrl = Annotated[
    str | None,
    typer.Option("--jaeger", metavar="URL", envvar="VOXTRACE_JAEGER_URL", help="Jaeger's address."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Language = Annotated[
    str | None, typer.Option("--to", metavar="LANG", help="Translate to this language (default: es).")
]


class Source(StrEnum):
    """Who may be asked for a trace."""

    CONSOLE = "console"
    JAEGER = "jaeger"


def _version(asked: bool) -> None:
    if asked:
        print(f"voxtrace {version('voxtrace-services')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    audio: Annotated[
        Path | None,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="English speech: wav, mp3, flac, ogg, ..."
        ),
    ] = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the platform running afterwards.")] = False,
    to: Language = None,
) -> None:
    """Run one recording through the whole pipeline and show where each second went."""
    recording = audio or default_recording()
    folder = data_dir()
    with session(folder, keep=keep, progress=error_screen()) as addresses:
        demonstration = Demonstration(
            addresses=addresses, folder=folder / "demo", results=screen(), progress=error_screen()
        )
        trace_id = demonstration.run(recording, target_language=to)
    record = Record.read(folder)
    if record is not None and record.alive:
        print("The platform goes on; voxtrace down ends it. To look again:")
        print(f"  {_program()} trace {trace_id}")
    else:
        print("The platform is stopped again, its traces are kept. To come back to this one:")
        print(f"  {_program()} up && {_program()} trace {trace_id}")


def _program() -> str:
    """How to call us again from here: by name, or by path where the environment is not active."""
    return "voxtrace" if shutil.which("voxtrace") else os.path.relpath(sys.argv[0])


@app.command()
def up(
    *, full: Annotated[bool, typer.Option("--full", help="With Collector, Jaeger and Prometheus.")] = False
) -> None:
    """Start the platform in the background and wait until it is ready."""
    folder = data_dir()
    record = Record.read(folder)
    if record is not None and record.alive:
        if full and not record.full:
            raise StackError("The platform is up without --full. First: voxtrace down")
        print(f"The platform is {'up' if record.state == 'ready' else record.state} already.")
    else:
        require("full" if full else "demo")
        record = start_detached(folder, full=full, progress=error_screen())
    for name, url in record.addresses.items():
        print(f"{name:<11} {url}")


@app.command()
def down() -> None:
    """Stop what `voxtrace up` started, and wait until it is gone."""
    with Steps(error_screen()) as steps:
        steps.begin("stopping")
        found = supervisor.stop(data_dir())
    print("The platform is down." if found else "Nothing was up.")


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show each process of the running platform: pid, port, health."""
    record = running(data_dir())
    standings = survey(record)
    if as_json:
        state = record.state if record.alive else "abandoned"
        print_json({"state": state, "full": record.full, "processes": [asdict(one) for one in standings]})
    else:
        screen().print(standings_table(standings))
    if not record.alive:
        raise StackError("The process that held the platform is dead. Clean up with: voxtrace down")
    if record.state != "ready":
        raise StackError(f"The platform is {record.state}.")
    if not all(standing.well for standing in standings):
        raise StackError(f"Something is not well: see {data_dir() / 'logs'}.")


app.command()(diagnosis.health)
app.command()(diagnosis.profile)
app.add_typer(fault.app)
app.command()(load)


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Show which real parts are on this machine, and how to install those that are not."""
    findings = examine()
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        screen().print(findings_table(findings))
    if missing("demo"):
        raise MissingPartError("The demo cannot run here until what is missing above is installed.")


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="An audio file.")],
    *,
    to: Language = None,
    voice: Annotated[str | None, typer.Option(metavar="VOICE", help="Speak with this voice.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the upload is finished.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long --wait waits.")] = 600.0,
    as_json: AsJson = False,
    gateway: GatewayUrl = None,
) -> None:
    """Send an audio FILE (wav, mp3, flac, ogg, ...) to be transcribed, translated and spoken."""
    client = Gateway(url=gateway or resolve().gateway)
    receipt = client.send(file, target_language=to, voice=voice)
    if not wait:
        if as_json:
            print_json(receipt.body)
        else:
            print(f"upload {receipt.upload_id}")
            print(f"trace  {receipt.trace_id}")
            print(f"follow: {client.url}/v1/uploads/{receipt.upload_id}", file=sys.stderr)
        return
    *_, finished = client.follow(receipt.upload_id, seconds=timeout)
    if as_json:
        print_json(finished.body)
        finished.require_completed()
        return
    finished.require_completed()
    print(f"upload      {receipt.upload_id}")
    print(f"trace       {receipt.trace_id}")
    print(f"transcript  {client.text(receipt.upload_id, 'transcript')}")
    print(f"translation {client.text(receipt.upload_id, 'translation')}")
    public = os.environ.get("VOXTRACE_GATEWAY_PUBLIC_URL") or client.url
    print(f"speech      {public}/v1/uploads/{receipt.upload_id}/speech")
    if receipt.trace_id is not None and (page := public_page(receipt.trace_id)) is not None:
        print(f"open        {page}")


@app.command()
def trace(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A trace id or an upload id.")],
    *,
    source: Annotated[
        Source | None, typer.Option("--from", help="Ask this one (default: whichever knows the trace).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the trace as OTLP JSON.")] = False,
    gateway: GatewayUrl = None,
    console: ConsoleUrl = None,
    jaeger: JaegerUrl = None,
) -> None:
    """Show the trace of an upload as a waterfall: where each second went."""
    addresses = resolve(gateway=gateway, console=console, jaeger=jaeger)
    backends = [
        backend
        for backend in (
            _console(addresses.console),
            Backend(name="jaeger", url=addresses.jaeger),
        )
        if source is None or backend.name == source
    ]
    trace_id, document = _find(identifier.lower(), backends, Gateway(url=addresses.gateway))
    if as_json:
        print_json(document)
    else:
        screen().print(Waterfall(trace=Trace.from_otlp(document, trace_id)))


@app.command()
def red(
    *,
    window: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="Over the last so many seconds.")
    ] = 900,
    as_json: AsJson = False,
    console: ConsoleUrl = None,
) -> None:
    """Show requests, errors and durations of every operation of every service."""
    backend = _console(console or resolve().console)
    rates = backend.rates(window)
    if as_json:
        print_json({"window": window, "rows": [rate.as_dict() for rate in rates]})
    elif rates:
        screen().print(red_table(rates, window=window))
    else:
        print(f"No spans in the last {window:g} s. Send one with: voxtrace upload FILE", file=sys.stderr)


def _console(url: str) -> Backend:
    return Backend(name="console", url=url, token=console_token(url))


def _find(identifier: str, backends: list[Backend], gateway: Gateway) -> tuple[str, dict[str, Any]]:
    """Take the identifier for a trace's where it can be one, else ask whose upload it is."""
    refusal: CommandError | None = None
    if _TRACE_ID.fullmatch(identifier):
        try:
            _, document = first_document(backends, identifier)
        except TraceMissingError as error:
            refusal = error
        else:
            return identifier, document
    try:
        trace_id = gateway.upload(identifier).trace_id
    except (UnreachableError, ProblemError) as error:
        refusal = refusal or error
        trace_id = _search(identifier, backends)
    if trace_id is None:
        raise refusal or TraceMissingError(f"Upload {identifier} was not traced.")
    _, document = first_document(backends, trace_id)
    return trace_id, document


def _search(upload_id: str, backends: list[Backend]) -> str | None:
    """Return the trace whose messages carry an upload's id, for when the gateway is down or has forgotten."""
    for backend in backends:
        try:
            found = backend.trace_ids(upload_id)
        except UnreachableError:
            continue
        if found:
            return found[0]
    return None
