"""How every service starts and stops: telemetry first, engines after, spans flushed last."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

import voxtrace
from voxtrace_services.core import engines, logs
from voxtrace_services.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_log = logging.getLogger(__name__)

_OURS = ("voxtrace.", "voxtrace_services.")

#: Telemetry may hold up a stop this long, even when nobody takes it.
FLUSH_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a service is given to run with: its name, its settings, and the word to stop."""

    service: str
    settings: Settings
    stop: threading.Event


def run(service: str, entry: str, *, instrumented: bool = True) -> int:
    """
    Run `entry` ("module:function", taking a Runtime) until it returns, and give the exit status.

    Telemetry is set up before the entry's module, and with it any framework or engine,
    is imported. SIGTERM and SIGINT set `Runtime.stop`. An engine's program that then still
    runs is ended, and what the service has left to say is flushed within FLUSH_SECONDS.

    Args:
        service: The service's name, which is its `service.name` too.
        entry: What to run, as `package.module:function`.
        instrumented: False for the console, which must not trace its own intake.
    """
    telemetry = voxtrace.configure(service) if instrumented else None
    logs.configure(service)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopper(stop))
    try:
        runtime = Runtime(service=service, settings=Settings(), stop=stop)
        module, _, function = entry.partition(":")
        getattr(importlib.import_module(module), function)(runtime)
    except Exception as error:  # noqa: BLE001  the last line of defence: log it, then flush what telemetry holds
        _log.exception("service failed", extra={"detail": _detail(error)})
        return 1
    else:
        _log.info("service stopped")
        return 0
    finally:
        # Before the flush, which then holds their spans too.
        engines.end()
        if telemetry is not None:
            telemetry.shutdown(FLUSH_SECONDS)
        sys.stderr.flush()


def _detail(error: Exception) -> str:
    """What ended the service and what to do about it, in words of ours: others' may quote anything."""
    if isinstance(error, ValidationError) and error.title.endswith(Settings.__name__):
        prefix = Settings.model_config["env_prefix"]
        wrong = error.errors(include_input=False)
        return "; ".join(f"{prefix}{str(item['loc'][0]).upper()}: {item['msg']}" for item in wrong)
    if type(error).__module__.startswith(_OURS):
        return str(error)
    return f"{logs.type_name(error)}: set {logs.EXCEPTION_MESSAGES}=true and start again to read what it says"


def _stopper(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        # Event.set takes a lock that the interrupted code may hold: set it from elsewhere.
        threading.Thread(target=stop.set, name="stop", daemon=True).start()

    return handle
