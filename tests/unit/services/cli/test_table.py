"""The RED table."""

from __future__ import annotations

import io

from rich.console import Console

from voxtrace_services.cli.backend import Rate
from voxtrace_services.cli.table import red_table


def _rate(
    service: str,
    operation: str,
    *,
    kind: str = "consumer",
    calls: int = 4,
    errors: int = 0,
    p99: float | None = 0.3,
) -> Rate:
    return Rate(
        service=service,
        operation=operation,
        kind=kind,
        calls=calls,
        errors=errors,
        rate=0.1,
        p50=0.1,
        p95=0.2,
        p99=p99,
    )


RATES = [
    _rate("other", "odd", calls=0, errors=2),
    _rate("translation", "process speech:translate", errors=1),
    _rate("asr", "wait transcribe", kind="internal", p99=None),
    _rate("asr", "process speech:transcribe"),
    _rate("gateway", "POST /v1/uploads", kind="server"),
]


def _drawn(width: int) -> list[str]:
    buffer = io.StringIO()
    Console(file=buffer, width=width).print(red_table(RATES, window=900))
    return [line.rstrip() for line in buffer.getvalue().splitlines()]


def test_picture() -> None:
    """Services come as an upload passes them, errors carry their share, a missing quantile is a dash."""
    assert _drawn(100) == [
        "Requests, errors, durations of the last 15 min",
        "service       operation                   calls    errors      p50      p95      p99",
        "────────────────────────────────────────────────────────────────────────────────────",
        "gateway       POST /v1/uploads                4         0   100 ms   200 ms   300 ms",
        "asr           process speech:transcribe       4         0   100 ms   200 ms   300 ms",
        "              wait transcribe                 4         0   100 ms   200 ms        -",
        "translation   process speech:translate        4   1 (25%)   100 ms   200 ms   300 ms",
        "other         odd                             0         2   100 ms   200 ms   300 ms",
    ]


def test_narrow() -> None:
    """At 80 columns names are shortened, numbers never."""
    assert _drawn(80)[4] == "asr           process speech:trans…       4         0   100 ms   200 ms   300 ms"
