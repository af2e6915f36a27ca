"""Answer "is this service well?", as a report and over HTTP."""

from voxtrace.health.check import Check, Function
from voxtrace.health.dependencies import broker, database, disk, model, store
from voxtrace.health.report import Health
from voxtrace.health.server import Action, Answer, HealthServer, Request, serve

__all__ = [
    "Action",
    "Answer",
    "Check",
    "Function",
    "Health",
    "HealthServer",
    "Request",
    "broker",
    "database",
    "disk",
    "model",
    "serve",
    "store",
]
