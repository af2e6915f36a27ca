"""
Rules that run faster, for drills: every duration in them divided by one number, and nothing else changed.

`VOXTRACE_RULE_TIME_SCALE` is that number. The files in deploy/ stay as they are; what is written for a
private Prometheus or Alertmanager is the copy.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from voxtrace_services.native.errors import NativeError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "VOXTRACE_RULE_TIME_SCALE"

#: The group of bounds that say how long to wait, and not how much is too much.
PATIENCE: Final = "bounds-of-patience"

#: rate() needs two samples, and one may be late: with four intervals there is room for both.
_SAMPLES: Final = 4

_UNITS: Final = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_DURATION: Final = re.compile("".join(rf"(?:(?P<{unit}>\d+){unit}(?![a-z]))?" for unit in _UNITS))
_NUMBER: Final = re.compile(r"vector\((\d+(?:\.\d+)?)\)")
# What is quoted, and labels' matchers above all, may look like a range and is none.
_TOKEN: Final = re.compile(
    r"""
    (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`|\#[^\n]*)
    |\[\s*(?P<range>[^\]:\s]+)\s*(?P<colon>:?)\s*(?P<step>[^\]\s]*)\s*\]
    |\boffset\s+(?P<sign>-?)\s*(?P<offset>\w+)
    """,
    re.VERBOSE,
)
_ROUTE_DURATIONS: Final = ("group_wait", "group_interval", "repeat_interval")
_SCRAPE_DURATIONS: Final = ("scrape_interval", "scrape_timeout", "evaluation_interval")


@dataclass(frozen=True)
class Pace:
    """
    How much faster than written.

    Attributes:
        scale: The number that durations are divided by.
        scrape_seconds: How often a faster Prometheus scrapes, which no window may come too near to.
    """

    scale: float = 1
    scrape_seconds: int = 1

    @classmethod
    def of(cls, environment: Mapping[str, str], prometheus: Mapping[str, Any] | None = None) -> Pace:
        """
        The pace that an environment asks for.

        Args:
            environment: May have `VOXTRACE_RULE_TIME_SCALE`, a number of at least 1.
            prometheus: The configuration whose scrape interval counts.

        Raises:
            NativeError: It is no such number.
        """
        text = environment.get(VARIABLE) or "1"
        try:
            scale = float(text)
        except ValueError:
            scale = math.nan
        if not 1 <= scale < math.inf:
            raise NativeError(f"{VARIABLE} is {text!r}: set it to a number of at least 1.")
        scrape = prometheus["global"]["scrape_interval"] if prometheus else "1s"
        return cls(scale, _faster(scrape, scale))

    def rules(self, document: dict[str, Any]) -> dict[str, Any]:
        """A file of rules at this pace."""
        if self.scale == 1:
            return document
        return {**document, "groups": [self._group(group) for group in document["groups"]]}

    def prometheus(self, document: dict[str, Any]) -> dict[str, Any]:
        """The configuration of Prometheus at this pace."""
        if self.scale == 1:
            return document
        scrapes = [self._shortened(scrape, _SCRAPE_DURATIONS) for scrape in document["scrape_configs"]]
        return {
            **document,
            "global": self._shortened(document["global"], _SCRAPE_DURATIONS),
            "scrape_configs": scrapes,
        }

    def alertmanager(self, document: dict[str, Any]) -> dict[str, Any]:
        """The configuration of Alertmanager at this pace."""
        return document if self.scale == 1 else {**document, "route": self._route(document["route"])}

    def duration(self, text: str, *, shortest: int = 1) -> str:
        """A duration at this pace, in whole seconds, rounded up; never below `shortest` seconds."""
        return f"{max(_faster(text, self.scale), shortest)}s"

    def expression(self, text: str) -> str:
        """An expression of PromQL, its ranges and offsets at this pace."""
        return _TOKEN.sub(self._token, text)

    def _token(self, found: re.Match[str]) -> str:
        if found["quoted"] is not None:
            return found[0]
        if found["offset"] is not None:
            return f"offset {found['sign']}{self.duration(found['offset'])}"
        step = self.duration(found["step"], shortest=self.scrape_seconds) if found["step"] else ""
        shortest = _SAMPLES * self.scrape_seconds
        return f"[{self.duration(found['range'], shortest=shortest)}{found['colon']}{step}]"

    def _group(self, group: dict[str, Any]) -> dict[str, Any]:
        patient = group["name"] == PATIENCE
        rules = [self._rule(rule, patient=patient) for rule in group["rules"]]
        return {**self._shortened(group, ("interval",)), "rules": rules}

    def _rule(self, rule: dict[str, Any], *, patient: bool) -> dict[str, Any]:
        expression = self.expression(rule["expr"])
        if patient:
            expression = _NUMBER.sub(lambda number: f"vector({float(number[1]) / self.scale:g})", expression)
        return {**self._shortened(rule, ("for", "keep_firing_for")), "expr": expression}

    def _route(self, route: dict[str, Any]) -> dict[str, Any]:
        below = {"routes": [self._route(one) for one in route["routes"]]} if "routes" in route else {}
        return {**self._shortened(route, _ROUTE_DURATIONS), **below}

    def _shortened(self, entry: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        return {key: self.duration(value) if key in names else value for key, value in entry.items()}


def _faster(text: str, scale: float) -> int:
    """Whole seconds, rounded up; no duration but 0 becomes 0."""
    return math.ceil(_milliseconds(text) / scale / 1000)


def _milliseconds(text: str) -> int:
    if text == "0":
        return 0
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise NativeError(f"{text!r} is no duration: write it as Prometheus does, such as 1h30m.")
    return sum(int(number or 0) * _UNITS[unit] for unit, number in found.groupdict().items())
