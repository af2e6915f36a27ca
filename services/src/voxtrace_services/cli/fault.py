"""The commands `voxtrace fault`: which faults are on, switch one on, switch it off."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from voxtrace_services.cli.addresses import resolve
from voxtrace_services.cli.connection import answering, connect
from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.gateway import checked
from voxtrace_services.cli.screen import print_json, screen
from voxtrace_services.core.faults import DEFAULT_MINUTES, FAULTS, Name, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(
    name="fault",
    help="Make something go wrong, to see that it is seen; for stacks started with VOXTRACE_FAULTS=on.",
    no_args_is_help=True,
)

GatewayUrl = Annotated[
    str | None,
    typer.Option("--gateway", metavar="URL", envvar="VOXTRACE_GATEWAY_URL", help="The gateway's address."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

Befallen = Annotated[
    Service | None,
    typer.Option("--service", "--stage", help="One service (default: all that it can befall)."),
]


@app.command("list")
def show(*, as_json: AsJson = False, gateway: GatewayUrl = None) -> None:
    """Show the faults there are, and which of them are on."""
    found = _ask(gateway, "GET")
    if as_json:
        print_json(found)
    else:
        screen().print(_table(found))


@app.command()
def on(
    name: Annotated[Name, typer.Argument(help="The fault; voxtrace fault list explains each.")],
    *,
    service: Befallen = None,
    share: Annotated[float, typer.Option(min=0.001, max=1, help="Of messages or requests.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=0, help="How much longer the engine takes.")] = 3.0,
    megabytes: Annotated[int, typer.Option(min=1, help="Memory more each second.")] = 64,
    limit_megabytes: Annotated[int, typer.Option(min=1, help="Memory more at most.")] = 1024,
    minutes: Annotated[float, typer.Option(min=0.01, help="It ends by itself after that.")] = DEFAULT_MINUTES,
    as_json: AsJson = False,
    gateway: GatewayUrl = None,
) -> None:
    """Switch a fault on, or on anew with other numbers."""
    wish = {
        "service": service,
        "share": share,
        "seconds": seconds,
        "megabytes": megabytes,
        "limit_megabytes": limit_megabytes,
        "minutes": minutes,
    }
    fault = _ask(gateway, "PUT", f"/{name}", wish)
    if as_json:
        print_json(fault)
    else:
        print(
            f"{name} is on for {fault['service'] or 'every service that it can befall'}, {_left(fault)} more."
        )
        print(f"voxtrace fault off {name} ends it at once.")


@app.command()
def off(
    name: Annotated[Name | None, typer.Argument(help="The fault (default: all).")] = None,
    *,
    service: Befallen = None,
    as_json: AsJson = False,
    gateway: GatewayUrl = None,
) -> None:
    """Switch a fault off, or all of them."""
    if name is None:
        _ask(gateway, "DELETE")
    else:
        query = "" if service is None else f"?service={service}"
        _ask(gateway, "DELETE", f"/{name}{query}")
    left = _ask(gateway, "GET")["on"]
    if as_json:
        print_json({"on": left})
    elif left:
        print(f"Still on: {', '.join(fault['name'] for fault in left)}.")
    else:
        print("No fault is on.")


def _ask(gateway: str | None, method: str, path: str = "", body: Mapping[str, Any] | None = None) -> Any:
    url = gateway or resolve().gateway
    with answering("gateway", url), connect(url) as client:
        answer = client.request(method, f"{FAULTS}{path}", json=body)
    return checked(answer, url) if answer.content else {}


def _table(found: Mapping[str, Any]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("fault", "on", "what it does"):
        table.add_column(heading, no_wrap=heading != "what it does")
    for kind in found["known"]:
        switched = [fault for fault in found["on"] if fault["name"] == kind["name"]]
        told = ", ".join(f"{fault['service'] or 'all'} for {_left(fault)}" for fault in switched)
        table.add_row(kind["name"], told or "-", f"{kind['brief']} ({', '.join(kind['services'])})")
    return table


def _left(fault: Mapping[str, Any]) -> str:
    until = datetime.fromisoformat(fault["until"])
    return readable(max(0.0, (until - datetime.now(UTC)).total_seconds()))
