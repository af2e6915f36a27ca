"""Headers as nobody should send them, of every AMQP type."""

from __future__ import annotations

import datetime as dt
import decimal
import random
import string
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pika.data
import pytest

CREATION = f"00-{9:032x}-{8:016x}-01"
READ = (
    "traceparent",
    "tracestate",
    "baggage",
    "voxtrace-previous",
    "voxtrace-enqueued-at",
    "timestamp_in_ms",
    "x-attempt",
    "x-delivery-count",
    "x-exception-type",
    "x-death",
    "x-first-death-queue",
    "x-first-death-reason",
    "x-last-death-queue",
    "x-last-death-reason",
)
"""Every header that the instrumentation reads."""

TELLING: list[Any] = [
    CREATION,
    CREATION.encode(),
    f"{CREATION}-later",
    f"cc-{9:032x}-{8:016x}-03-{'x' * 8000}",
    f"cc-{9:032x}-{8:016x}-03-{' ' * 8000}\n.",
    "a=b,c=d",
    ",".join(f"k{number}={'v' * 250}" for number in range(31)),
    f"k={'v' * 4000},l={'%C3%A4' * 600}",
    f"k={'!' * 4000},l={'!' * 4000}",
    f"k={'v' * 4094},l={'v' * 4093}",
    ",".join(f"k{number}=v" for number in range(200)),
    f"k={' ' * 8000}.",
    "k=v;p=1;q,=,,",
    "ä=ö",
    "x" * 8192,
    "y" * 8193,
    b"x" * 10_000,
    "rejected",
]
"""What is nearly, or just, or quite what some header should hold."""


def almost(chance: random.Random) -> str:
    """A text that is almost what is looked for."""
    text = str(chance.choice(TELLING))[:300]
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(string.printable + "äß☃") + text[at + chance.randrange(2) :]
    return text


THROWS: tuple[Callable[[random.Random], Any], ...] = (
    almost,
    lambda it: f"{it.randrange(256):02x}-{it.getrandbits(128):032x}-{it.getrandbits(64):016x}-01",
    lambda it: it.getrandbits(31),
    lambda it: it.getrandbits(64) - 2**63,
    lambda it: it.randbytes(it.randrange(3, 60)),
    lambda it: decimal.Decimal(it.getrandbits(31)) / 100,
    lambda it: dt.datetime.fromtimestamp(it.getrandbits(32), dt.UTC).replace(tzinfo=None),
    lambda it: [thrown(it) for _ in range(it.randrange(1, 4))],
    lambda it: {name: thrown(it) for name in it.sample(("count", "queue", "reason", "time"), 2)},
)


RARE = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "i": ">I", "f": ">f", "d": ">d"}
"""The numbers that pika reads and never writes, by their letter."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value as it goes over the wire, of a type that pika never writes."""

    octets: bytes

    @classmethod
    def thrown(cls, chance: random.Random) -> Field:
        """A number in one of the rare forms, or a text that is none."""
        kind = chance.choice([*RARE, "S"])
        if kind == "S":
            octets = b"\xff" + chance.randbytes(20)
            return cls(b"S" + struct.pack(">I", len(octets)) + octets)
        if kind in "fd":
            return cls(kind.encode() + struct.pack(RARE[kind], chance.uniform(-1e18, 1e18)))
        return cls(kind.encode() + chance.randbytes(struct.calcsize(RARE[kind])))


def write_fields(patches: pytest.MonkeyPatch) -> None:
    """Have pika write each `Field` as it stands."""
    original = pika.data.encode_value

    def encode_value(pieces: list[bytes], value: Any) -> int:
        if not isinstance(value, Field):
            return original(pieces, value)
        pieces.append(value.octets)
        return len(value.octets)

    patches.setattr(pika.data, "encode_value", encode_value)


def thrown(chance: random.Random) -> Any:
    """A value of any type that pika decodes."""
    return chance.choice(THROWS)(chance)
