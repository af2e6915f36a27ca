"""RED as a table: what each operation of each service was asked, how often it failed, how long it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.waterfall import SERVICES, colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from voxtrace_services.cli.backend import Rate

_OPERATION = 1
_KINDS = ("server", "consumer", "producer", "client", "internal")


def red_table(rates: Sequence[Rate], *, window: float) -> Table:
    """Return the table, services as an upload passes them, failing operations marked in red."""
    table = Table(
        title=f"Requests, errors, durations of the last {readable(window)}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    rows = [_cells(rate) for rate in sorted(rates, key=_order)]
    for position, heading in enumerate(("service", "operation", "calls", "errors", "p50", "p95", "p99")):
        # On a narrow terminal the operations give way; half a number would be a wrong number.
        firm = max([len(heading), *(len(row[position]) for row in rows)])
        table.add_column(
            heading,
            justify="left" if position <= _OPERATION else "right",
            no_wrap=position != _OPERATION,
            min_width=20 if position == _OPERATION else firm,
        )
    before = ""
    for service, *rest in rows:
        table.add_row("" if service.plain == before else service, *rest)
        before = service.plain
    return table


def _order(rate: Rate) -> tuple[int, str, int, str]:
    """Sort as an upload travels, and within a service from what it is asked to what it does."""
    service = SERVICES.index(rate.service) if rate.service in SERVICES else len(SERVICES)
    kind = _KINDS.index(rate.kind) if rate.kind in _KINDS else len(_KINDS)
    return service, rate.service, kind, rate.operation


def _cells(rate: Rate) -> list[Text]:
    operation_style = "dim" if rate.operation.startswith("wait ") else ""
    return [
        Text(rate.service, style=f"bold {colour(rate.service)}"),
        Text(rate.operation, style=operation_style, no_wrap=True, overflow="ellipsis"),
        Text(str(rate.calls)),
        Text(_errors(rate), style="red" if rate.errors else "dim"),
        *(Text(_quantile(value)) for value in (rate.p50, rate.p95, rate.p99)),
    ]


def _errors(rate: Rate) -> str:
    if not rate.errors:
        return "0"
    return f"{rate.errors} ({rate.errors / rate.calls:.0%})" if rate.calls else str(rate.errors)


def _quantile(seconds: float | None) -> str:
    return "-" if seconds is None else readable(seconds)
