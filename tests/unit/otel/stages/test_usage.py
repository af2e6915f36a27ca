"""What work used and cost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from voxtrace import stages
from voxtrace.errors import PricesError
from voxtrace.stages import usage
from voxtrace.stages.usage import Prices, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from voxtrace.testing import CapturedTelemetry

    #: Writes a price table and has it used.
    Use = Callable[[str], None]

TABLE = """
version = "2026-11"
currency = "EUR"

[[price]]
operation = "speech_to_text"
model = "large"
audio_second = 0.25
compute_second = 0.0

[[price]]
operation = "speech_to_text"
audio_second = 0.125

[[price]]
operation = "translate"
character = 0.5
request = 1.0
"""


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Use]:
    """Have a price table used."""

    def write(text: str) -> None:
        path = tmp_path / "prices.toml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("VOXTRACE_PRICES", str(path))
        usage._read.cache_clear()

    yield write
    usage._read.cache_clear()


def cost(span: dict[str, Any]) -> dict[str, Any]:
    """What a span says of its cost."""
    names = ("speech.cost.amount", "speech.cost.currency", "speech.price.version")
    return {name: span["attributes"][name] for name in names if name in span["attributes"]}


@pytest.mark.usefixtures("instruments")
def test_a_cost_is_frozen_with_its_price(telemetry: CapturedTelemetry, use: Use) -> None:
    """Amount, currency and the table's version are on the span and in the metric."""
    use(TABLE)
    with stages.transcription(provider="mine", model="large") as work:
        work.audio(10.0)
    assert cost(telemetry.spans()[0]) == {
        "speech.cost.amount": 2.5,
        "speech.cost.currency": "EUR",
        "speech.price.version": "2026-11",
    }
    (point,) = telemetry.metrics()["speech.usage.cost"]
    assert point["value"] == 2.5
    assert point["attributes"] == {
        "gen_ai.operation.name": "speech_to_text",
        "gen_ai.provider.name": "mine",
        "gen_ai.request.model": "large",
        "speech.usage.outcome": "completed",
        "speech.cost.currency": "EUR",
        "speech.price.version": "2026-11",
    }


@pytest.mark.usefixtures("instruments")
def test_a_failed_attempt_costs_and_is_told_apart(telemetry: CapturedTelemetry, use: Use) -> None:
    """The price of an attempt that failed is counted under another outcome."""
    use(TABLE)
    work = stages.translation(provider="mine")
    work.source("abcd")
    work.finish(ValueError())
    with stages.translation(provider="mine") as work:
        work.source("ab")
    found = {
        point["attributes"]["speech.usage.outcome"]: point["value"]
        for point in telemetry.metrics()["speech.usage.cost"]
    }
    assert found == {"failed": 3.0, "completed": 2.0}


@pytest.mark.usefixtures("instruments")
def test_without_a_price_there_is_a_usage_and_no_cost(telemetry: CapturedTelemetry, use: Use) -> None:
    """Work that the table does not name has no cost, not one of nothing."""
    use(TABLE)
    with stages.synthesis(provider="mine") as work:
        work.text("hola")
    assert cost(telemetry.spans()[0]) == {}
    assert "speech.usage.cost" not in telemetry.metrics()
    assert telemetry.metrics()["speech.usage.characters"][0]["value"] == 4


@pytest.mark.parametrize(
    ("model", "used", "amount"),
    [
        ("large", Usage(audio=4.0), 1.0),
        ("tiny", Usage(audio=4.0), 0.5),
        (None, Usage(audio=0.0, compute=9.0), 0.0),
    ],
)
def test_the_first_row_that_fits_is_the_price(
    tmp_path: Path, model: str | None, used: Usage, amount: float
) -> None:
    """The particular stands before the general."""
    (tmp_path / "prices.toml").write_text(TABLE, encoding="utf-8")
    labels = {"gen_ai.operation.name": "speech_to_text", "gen_ai.provider.name": "mine"}
    price = Prices.read(tmp_path / "prices.toml").find(
        labels | ({"gen_ai.request.model": model} if model else {})
    )
    assert price is not None
    assert price.of(used) == amount


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version = ", "is not TOML"),
        ('currency = "EUR"', 'say version = "..."'),
        ('version = "1"', 'say currency = "..."'),
        ('version = "1"\ncurrency = "EUR"\nprice = 3', r"begin each price by \[\[price\]\]"),
        ('version = "1"\ncurrency = "EUR"\n[[price]]\nsecond = 3', "a price has no second; it has operation"),
        (
            'version = "1"\ncurrency = "EUR"\n[[price]]\ncharacter = -1',
            "character of a price is a number from 0",
        ),
        ('version = "1"\ncurrency = "EUR"\n[[price]]\ncharacter = true', "character of a price is a number"),
        ('version = "1"\ncurrency = "EUR"\n[[price]]\nmodel = 3', "model of a price is a text"),
    ],
)
def test_a_wrong_table_says_what_to_write(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file, the place and what is accepted."""
    (tmp_path / "prices.toml").write_text(text, encoding="utf-8")
    with pytest.raises(PricesError, match=rf"prices\.toml.*{told}"):
        Prices.read(tmp_path / "prices.toml")


def test_a_table_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(PricesError, match=r"prices\.toml cannot be read: No such file"):
        Prices.read(tmp_path / "prices.toml")


@pytest.mark.usefixtures("instruments")
def test_a_wrong_table_is_reported_once_and_prices_nothing(
    telemetry: CapturedTelemetry, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    """Work goes on without costs; the log says once what to mend."""
    use('currency = "XTS"')
    with caplog.at_level(logging.ERROR, "voxtrace"):
        for _ in range(3):
            with stages.transcription(provider="mine") as work:
                work.audio(1.0)
    assert len([record for record in caplog.records if "VOXTRACE_PRICES" in record.getMessage()]) == 1
    assert "speech.usage.cost" not in telemetry.metrics()
