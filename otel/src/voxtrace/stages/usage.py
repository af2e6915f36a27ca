"""What an operation used, and what that cost by the prices in force when it ended."""

from __future__ import annotations

import functools
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from voxtrace import semconv
from voxtrace._guard import report
from voxtrace.errors import PricesError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from voxtrace.stages.instruments import Instruments

#: Names the file with the price table; without it there are no costs.
PRICES: Final = "VOXTRACE_PRICES"

_WHAT: Final = ("operation", "provider", "model")
_UNITS: Final = ("audio_second", "character", "compute_second", "request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    What one operation used.

    Attributes:
        audio: Audio that was listened to or made, in seconds, by its samples.
        characters: Characters that were translated or spoken.
        compute: Time the engine worked, in seconds.
    """

    audio: float = 0.0
    characters: int = 0
    compute: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """A row of the table: what it is for, None standing for all, and the price of each unit."""

    operation: str | None
    provider: str | None
    model: str | None
    audio_second: float = 0.0
    character: float = 0.0
    compute_second: float = 0.0
    request: float = 0.0

    def is_for(self, labels: Mapping[str, AttributeValue]) -> bool:
        """Tell whether the price is that of an operation with these attributes."""
        return all(
            wanted is None or wanted == labels.get(name)
            for wanted, name in (
                (self.operation, semconv.GEN_AI_OPERATION_NAME),
                (self.provider, semconv.GEN_AI_PROVIDER_NAME),
                (self.model, semconv.GEN_AI_REQUEST_MODEL),
            )
        )

    def of(self, usage: Usage) -> float:
        """Return the cost of one operation."""
        return (
            usage.audio * self.audio_second
            + usage.characters * self.character
            + usage.compute * self.compute_second
            + self.request
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """
    A table of prices under a version, so that a cost can be told from that of another year.

    The first row that fits counts: put the particular before the general.
    """

    version: str
    currency: str
    rows: tuple[Price, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """
        Read a table from a TOML file: `version`, `currency`, and a `[[price]]` for each row.

        Raises:
            PricesError: It is no such file; the message says where and what to write.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise PricesError(f"{path.name} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise PricesError(f"{path.name} is not TOML: {error}") from None
        for name in ("version", "currency"):
            if not isinstance(table.get(name), str) or not table[name]:
                raise PricesError(f'{path.name}: say {name} = "..." at the top')
        rows = table.get("price", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PricesError(f"{path.name}: begin each price by [[price]]")
        return cls(table["version"], table["currency"], tuple(_row(row, path.name) for row in rows))

    def find(self, labels: Mapping[str, AttributeValue]) -> Price | None:
        """Return the price of an operation, or None where the table has none."""
        return next((row for row in self.rows if row.is_for(labels)), None)


def prices() -> Prices | None:
    """Return the table that `VOXTRACE_PRICES` names; None without one, or with a wrong one, logged once."""
    return _read(os.environ.get(PRICES, "").strip())


def bill(
    span: Span,
    instruments: Instruments,
    labels: Mapping[str, AttributeValue],
    usage: Usage,
    *,
    failed: bool,
    context: Context,
) -> None:
    """
    Count what an operation used, and what it cost, failed attempts told apart.

    Args:
        span: The operation's span, which is told the cost.
        instruments: Where to count.
        labels: The operation's attributes.
        usage: What it used.
        failed: Whether it came to nothing; it cost all the same.
        context: For exemplars.
    """
    told = {
        **labels,
        semconv.SPEECH_USAGE_OUTCOME: (
            semconv.SPEECH_USAGE_OUTCOME_FAILED if failed else semconv.SPEECH_USAGE_OUTCOME_COMPLETED
        ),
    }
    if usage.audio > 0:
        instruments.usage_audio(usage.audio, told, context)
    if usage.characters > 0:
        instruments.usage_characters(usage.characters, told, context)
    instruments.usage_compute(usage.compute, told, context)
    table = prices()
    price = None if table is None else table.find(labels)
    if table is None or price is None:
        return
    amount = price.of(usage)
    span.set_attributes(
        {
            semconv.SPEECH_COST_AMOUNT: amount,
            semconv.SPEECH_COST_CURRENCY: table.currency,
            semconv.SPEECH_PRICE_VERSION: table.version,
        }
    )
    instruments.usage_cost(
        amount,
        {**told, semconv.SPEECH_COST_CURRENCY: table.currency, semconv.SPEECH_PRICE_VERSION: table.version},
        context,
    )


@functools.lru_cache(maxsize=8)
def _read(path: str) -> Prices | None:
    if not path:
        return None
    try:
        return Prices.read(Path(path))
    except PricesError as error:
        report(f"use {PRICES}: {error}; nothing is priced", error)
        return None


def _row(row: Mapping[str, Any], file: str) -> Price:
    unknown = sorted(row.keys() - {*_WHAT, *_UNITS})
    if unknown:
        raise PricesError(
            f"{file}: a price has no {', '.join(unknown)}; it has {', '.join((*_WHAT, *_UNITS))}"
        )
    for name in _WHAT:
        if not isinstance(row.get(name, ""), str):
            raise PricesError(f"{file}: {name} of a price is a text")
    for name in _UNITS:
        value = row.get(name, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise PricesError(f"{file}: {name} of a price is a number from 0")
    return Price(
        row.get("operation"),
        row.get("provider"),
        row.get("model"),
        **{name: float(row.get(name, 0.0)) for name in _UNITS},
    )
