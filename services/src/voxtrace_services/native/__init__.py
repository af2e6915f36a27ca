"""Real parts as private processes: found, built, configured, started, stopped."""

from voxtrace_services.native.errors import (
    BuildError,
    LayoutError,
    MissingPartError,
    NativeError,
    PortTakenError,
    StartError,
)
from voxtrace_services.native.group import Group
from voxtrace_services.native.observability import Observability
from voxtrace_services.native.parts import PARTS, Part
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.process import Command, Process
from voxtrace_services.native.rabbitmq import RabbitMQ
from voxtrace_services.native.stack import Stack

__all__ = [
    "PARTS",
    "BuildError",
    "Command",
    "Group",
    "LayoutError",
    "MissingPartError",
    "NativeError",
    "Observability",
    "Part",
    "PortTakenError",
    "Ports",
    "Process",
    "RabbitMQ",
    "Stack",
    "StartError",
]
