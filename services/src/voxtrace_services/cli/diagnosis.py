"""The commands that look into running services: how they are, and what they spend their time on."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - typer reads the annotations when it runs
from typing import Annotated

import typer

from voxtrace_services.cli.addresses import data_dir, resolve, worker
from voxtrace_services.cli.duration import seconds as seconds_of
from voxtrace_services.cli.errors import CommandError
from voxtrace_services.cli.health import examinations, health_table
from voxtrace_services.cli.profile import take
from voxtrace_services.cli.screen import print_json, screen
from voxtrace_services.cli.status import running

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Worker(StrEnum):
    """Who can profile itself on demand; for the gateway, `?profile=true` on a request does it."""

    ASR = "asr"
    TRANSLATION = "translation"
    SYNTHESIS = "synthesis"


def health(*, as_json: AsJson = False) -> None:
    """Show every service with its checks; exit 1 when something is failing."""
    record = running(data_dir())
    examined = examinations(record)
    if as_json:
        print_json({"full": record.full, "services": [one.as_dict() for one in examined]})
    else:
        screen().print(health_table(examined))
    wrong = [f"{one.name} ({one.health})" for one in examined if not one.well]
    if wrong:
        raise CommandError(f"Not well: {', '.join(wrong)}. See {data_dir() / 'logs'}.")


def profile(
    service: Annotated[Worker, typer.Argument(help="The worker.")],
    *,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long: 10s, 500ms, 1m.")
    ] = "10s",
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write it here: .html or .txt.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Have a worker profile itself while it works; print where the time went, function by function."""
    try:
        seconds = seconds_of(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from error
    print(f"{service} profiles itself for {seconds:g} s ...", file=sys.stderr)
    report = take(service, worker(service), seconds=seconds)
    if save is not None:
        report.save(save)
    if as_json:
        print_json({name: value for name, value in report.body.items() if name != "html"})
        return
    if not report.body["samples"]:
        print(f"The {service} had no work in that time: send it some with voxtrace upload FILE.")
    elif save is None:
        print(report.text)
    for trace in report.traces:
        print(f"covers trace {trace}")
    if report.address is not None and report.body["samples"]:
        print(f"page   {resolve().gateway}{report.address}")
    if save is not None:
        print(f"saved  {save}")
