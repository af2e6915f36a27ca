"""The command `voxtrace load`: options in, a run, a report."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voxtrace_services.cli.addresses import console_token, resolve
from voxtrace_services.cli.backend import Backend
from voxtrace_services.cli.connection import answering, connect, is_loopback
from voxtrace_services.cli.duration import seconds as seconds_of
from voxtrace_services.cli.errors import TrafficError, UnreachableError
from voxtrace_services.cli.gateway import Gateway
from voxtrace_services.cli.load import clips, pages
from voxtrace_services.cli.load.kinds import BROKEN, FAULTS
from voxtrace_services.cli.load.plan import Plan, shares
from voxtrace_services.cli.load.run import Run
from voxtrace_services.cli.screen import error_screen, print_json, screen

if TYPE_CHECKING:
    from collections.abc import Collection

# A run always ends: by what it was told, by these where it was not, and never beyond the last two.
_SECONDS, _SECONDS_OF_COUNTED = "60s", "10m"
_UPLOADS = 1000
_MOST_SECONDS, _MOST_UPLOADS = 3600.0, 100_000
_INTERRUPTED = 130


def load(
    recordings: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True,
            readable=True,
            show_default=False,
            metavar="[FILES]",
            help="Recordings of English speech, or folders of them (default: those that a package brings).",
        ),
    ] = None,
    *,
    users: Annotated[int, typer.Option(min=1, max=500, help="So many requests at once, at most.")] = 5,
    rate: Annotated[
        float, typer.Option(min=0.01, max=1000, help="Begin so many uploads each second, at most.")
    ] = 2.0,
    duration: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="DURATION",
            show_default=False,
            help=f"Begin uploads for so long (default: {_SECONDS}, with --uploads {_SECONDS_OF_COUNTED}).",
        ),
    ] = None,
    uploads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MOST_UPLOADS,
            show_default=False,
            help=f"Begin so many uploads, at most (default: {_UPLOADS}).",
        ),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", metavar="LANG[=PART],...", help="The languages, and how much of each.")
    ] = "es",
    mix: Annotated[
        str, typer.Option(metavar="SIZE[=PART],...", help=f"The sizes of: {', '.join(clips.SIZES)}.")
    ] = "short=3,medium=2,long=1",
    faults: Annotated[
        str, typer.Option(metavar="FAULT=SHARE,...", help=f"Shares of uploads with: {', '.join(FAULTS)}.")
    ] = "",
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the report here: .md, .html or .json."),
    ] = None,
    settle: Annotated[
        str, typer.Option(metavar="DURATION", help="Wait so long for the last uploads to end.")
    ] = "120s",
    traces: Annotated[
        str, typer.Option(metavar="DURATION", help="Wait so long for the last spans to arrive.")
    ] = "30s",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Send to a gateway that is not on this machine.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    gateway: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="VOXTRACE_GATEWAY_URL", help="The gateway's address."),
    ] = None,
    console: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="VOXTRACE_CONSOLE_URL", help="Read the traces from this console."),
    ] = None,
    jaeger: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="VOXTRACE_JAEGER_URL", help="Read the traces from this Jaeger."),
    ] = None,
) -> None:
    """
    Send many uploads, and report what became of them; exit 1 when something went other than it should.

    Each fault has its expected end: a refusal, a failure, or none. Ctrl-C ends it early, with the report.
    """
    if report is not None and report.suffix.lower() not in pages.FORMS:
        raise typer.BadParameter("name a file that ends in .md, .html or .json", param_hint="--report")
    languages = _shares(to, "--to")
    sizes = _shares(mix, "--mix", known=clips.SIZES)
    wrong = _shares(faults, "--faults", known=FAULTS, whole=False)
    bounds = _duration(duration or (_SECONDS if uploads is None else _SECONDS_OF_COUNTED), "--for")
    settle_seconds, trace_seconds = _duration(settle, "--settle"), _duration(traces, "--traces")
    _require_locust()
    url, backends = _servers(gateway, console, jaeger)
    if not allow_remote and not is_loopback(url):
        raise TrafficError(
            f"{url} is not on this machine, and load may hurt whoever is there: add --allow-remote if it "
            "is yours to load."
        )
    _require_answer(url)
    sources = clips.recordings(recordings or [])
    with tempfile.TemporaryDirectory(prefix="voxtrace-load-") as folder:
        plan = Plan(
            gateway=url,
            users=users,
            rate=rate,
            seconds=min(bounds, _MOST_SECONDS),
            uploads=uploads or _UPLOADS,
            languages=languages,
            sizes=sizes,
            faults=wrong,
            clips=clips.cut(sources, Path(folder), sizes=sizes),
            broken=clips.broken(sources, Path(folder)) if BROKEN in wrong else (),
        )
        outcome = Run(
            plan=plan,
            gateway=Gateway(url=url),
            backends=backends,
            progress=error_screen(),
            settle_seconds=settle_seconds,
            trace_seconds=trace_seconds,
        ).report()
    if report is not None:
        pages.save(outcome, report)
    if as_json:
        print_json(outcome.as_dict())
    else:
        for part in pages.drawn(outcome):
            screen().print(part)
    if outcome.interrupted:
        raise typer.Exit(_INTERRUPTED)
    if not outcome.well:
        raise typer.Exit(1)


def _servers(gateway: str | None, console: str | None, jaeger: str | None) -> tuple[str, list[Backend]]:
    """Return the gateway and who has its traces: those that are named, else those of the stack."""
    if gateway is None or (console is None and jaeger is None):
        known = resolve(gateway=gateway, console=console, jaeger=jaeger)
        gateway, console, jaeger = known.gateway, known.console, known.jaeger
    backends = []
    if console is not None:
        backends.append(Backend(name="console", url=console, token=console_token(console)))
    if jaeger is not None:
        backends.append(Backend(name="jaeger", url=jaeger))
    return gateway, backends


def _require_locust() -> None:
    # Looked up, never imported: gevent would patch this process too.
    if find_spec("locust") is None:
        raise TrafficError(
            "Load is sent by locust, and it is not there: make setup, in a checkout; "
            "elsewhere pip install 'voxtrace-services[load]'"
        )


def _require_answer(url: str) -> None:
    """Check that there is a gateway before anything is cut for it."""
    with answering("gateway", url), connect(url) as client:
        answer = client.get("/health")
    try:
        service = answer.json().get("service")
    except (ValueError, AttributeError):
        service = None
    if service != "gateway":
        raise UnreachableError(f"{url} does not answer like a gateway: is the address right?")


def _duration(text: str, option: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _shares(
    text: str, option: str, *, known: Collection[str] | None = None, whole: bool = True
) -> dict[str, float]:
    try:
        found = shares(text, whole=whole)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
    unknown = found.keys() - (known or found.keys())
    if unknown:
        raise typer.BadParameter(
            f"there is no {', '.join(sorted(unknown))}; there are: {', '.join(known or ())}",
            param_hint=option,
        )
    return found
