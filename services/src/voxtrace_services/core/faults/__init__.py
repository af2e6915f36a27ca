"""Fault flags: what goes wrong on purpose, so that alerts are seen to fire (docs/adr/012, docs/faults.md)."""

from voxtrace_services.core.faults.board import Board, UnknownFaultError
from voxtrace_services.core.faults.catalogue import (
    CATALOGUE,
    DEFAULT_MINUTES,
    FAULTS,
    SERVICES,
    SETTING,
    Fault,
    Name,
    Service,
    Wish,
)
from voxtrace_services.core.faults.injection import Injection
from voxtrace_services.core.faults.report import FaultyHealth
from voxtrace_services.core.faults.stage import Forgetful

__all__ = [
    "CATALOGUE",
    "DEFAULT_MINUTES",
    "FAULTS",
    "SERVICES",
    "SETTING",
    "Board",
    "Fault",
    "FaultyHealth",
    "Forgetful",
    "Injection",
    "Name",
    "Service",
    "UnknownFaultError",
    "Wish",
]
