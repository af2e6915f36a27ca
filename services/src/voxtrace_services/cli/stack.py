"""The stack as the commands hold it: started with progress, described, stopped whatever happens."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from voxtrace_services.cli.record import ProcessRecord
from voxtrace_services.native import Stack
from voxtrace_services.native.ports import LOOPBACK
from voxtrace_services.native.services import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

# A reader waits for the trace: spans leave after a second, not after OpenTelemetry's five.
_BATCH = {"OTEL_BSP_SCHEDULE_DELAY": "1000"}
_TRACED = ("gateway", *WORKERS)


@contextmanager
def held(
    data_dir: Path, *, full: bool, on_progress: Callable[[str], None]
) -> Iterator[tuple[dict[str, str], tuple[ProcessRecord, ...]]]:
    """Run a stack while the block runs; yields its addresses and its processes."""
    batch = {name: value for name, value in _BATCH.items() if name not in os.environ}
    with Stack(data_dir, full=full, env=dict.fromkeys(_TRACED, batch), on_progress=on_progress) as stack:
        yield _addresses(stack), _processes(stack)


@contextmanager
def interruptible(*signals: signal.Signals) -> Iterator[None]:
    """Let these signals end the block as Ctrl-C does, so that what it holds is released."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _addresses(stack: Stack) -> dict[str, str]:
    found = {
        "gateway": stack.gateway_url,
        "console": stack.console_url,
        "jaeger": stack.jaeger_url,
        "prometheus": stack.prometheus_url,
        "alertmanager": stack.alertmanager_url,
        "rabbitmq": stack.rabbitmq.url,
    }
    return {name: url for name, url in found.items() if url is not None}


def _processes(stack: Stack) -> tuple[ProcessRecord, ...]:
    return tuple(
        ProcessRecord.of(
            process.name,
            process.pid,
            port=next(iter(process.command.ports.values()), None),
            health=_health(stack, process.name),
        )
        for process in stack.processes
        if process.pid is not None
    )


def _health(stack: Stack, name: str) -> str | None:
    """Return where a process says whether it is well; None where only its port can be asked."""
    ports = stack.ports
    answers = {
        "console": f"{ports.console}/health",
        "gateway": f"{ports.gateway}/health",
        "asr": f"{ports.asr_health}/health",
        "translation": f"{ports.translation_health}/health",
        "synthesis": f"{ports.synthesis_health}/health",
        "collector": f"{ports.collector_health}/",
        "jaeger": f"{ports.jaeger_health}/status",
        "prometheus": f"{ports.prometheus}/-/ready",
        "alertmanager": f"{ports.alertmanager}/-/ready",
    }
    return f"http://{LOOPBACK}:{answers[name]}" if name in answers else None
