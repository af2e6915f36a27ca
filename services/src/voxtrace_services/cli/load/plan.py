"""What a load run is to send: how much, how fast, and of which mix."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Self

from voxtrace_services.cli.load.kinds import DUPLICATE, FAULTS, SOUND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

# A share that is written as 0.1 + 0.9 may come to a little more than one.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """A piece of a recording: where it lies, its size by name, and how long it is in seconds."""

    path: str
    size: str
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One upload to send; `fault` is `sound` where there is none."""

    number: int
    fault: str
    language: str
    clip: Clip | None

    @property
    def kind(self) -> str:
        """What the upload is counted as: its fault, or the language that sound speech is to be put into."""
        return f"{SOUND} {self.language}" if self.fault == SOUND else self.fault


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """
    A load run, as plain values, so that another process can be told it.

    Attributes:
        gateway: base URL of the gateway.
        users: how many requests there are at once, at most.
        rate: how many uploads are begun each second, at most.
        seconds: for how long uploads are begun.
        uploads: how many, at most.
        languages: how much of the sound speech is to be put into each language.
        sizes: how much of it is of each size.
        faults: share of all uploads that has each fault.
        clips: sound speech, cut to sizes.
        broken: clips that pass for audio and of which no sample decodes.
    """

    gateway: str
    users: int
    rate: float
    seconds: float
    uploads: int
    languages: Mapping[str, float]
    sizes: Mapping[str, float]
    faults: Mapping[str, float]
    clips: Sequence[Clip]
    broken: Sequence[Clip] = ()

    def to_json(self) -> str:
        """Write the plan on one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        fields = json.loads(text)
        for name in ("clips", "broken"):
            fields[name] = [Clip(**clip) for clip in fields[name]]
        return cls(**fields)

    def orders(self) -> Iterator[Order]:
        """
        Yield what to send, one after the other: the same for the same plan.

        Each share is kept all along the way, to within one upload, and not by chance:
        of twelve uploads with a sixth broken, two are.
        """
        sound = {SOUND: max(0.0, 1 - sum(self.faults.values()))}
        faults = _Spread({**sound, **self.faults})
        languages = _Spread(self.languages)
        sizes = {language: _Spread(self.sizes) for language in self.languages}
        takes = {size: _rotation([clip for clip in self.clips if clip.size == size]) for size in self.sizes}
        broken = _rotation(self.broken)
        again = _Spread(self.sizes)
        for number in range(self.uploads):
            fault = faults.next()
            # The faulty ask for the first language: a second reason to be refused would hide the first.
            language = languages.next() if fault == SOUND else next(iter(self.languages))
            clip = None
            if fault == SOUND:
                clip = next(takes[sizes[language].next()])
            elif FAULTS[fault].damaged:
                clip = next(broken)
            elif FAULTS[fault].audio or fault == DUPLICATE:
                clip = next(takes[again.next()])
            yield Order(number=number, fault=fault, language=language, clip=clip)


def shares(text: str, *, whole: bool) -> dict[str, float]:
    """
    Read `a=0.7,b=0.3`.

    Args:
        text: names, each with a number.
        whole: the numbers are parts of a whole, whatever they add up to, and one is taken for a name without.
            Otherwise they are shares that leave a rest.

    Raises:
        ValueError: it cannot be read so.
    """
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, given, number = (piece.strip() for piece in part.partition("="))
        if not given and not whole:
            raise ValueError(f"{name!r} has no share; write {name}=0.05")
        try:
            value = float(number) if given else 1.0
        except ValueError:
            raise ValueError(f"{number!r} is no number; write {name}=0.05") from None
        if not 0 <= value < float("inf") or name in found:
            raise ValueError(f"{part!r} cannot be a share of anything; name each once, with a number from 0")
        found[name] = value
    total = sum(found.values())
    if not whole:
        if total > 1 + _ROUNDING:
            raise ValueError(f"the shares add up to {total:g}; leave them at or below 1")
        return found
    if not total:
        raise ValueError(f"{text!r} names nothing")
    return {name: value / total for name, value in found.items() if value}


class _Spread:
    """Deals names out by their shares: next is whichever is furthest behind its own."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = shares
        self._dealt = dict.fromkeys(shares, 0)

    def next(self) -> str:
        drawn = sum(self._dealt.values()) + 1
        name = max(self._shares, key=lambda name: drawn * self._shares[name] - self._dealt[name])
        self._dealt[name] += 1
        return name


def _rotation(clips: Sequence[Clip]) -> Iterator[Clip]:
    return (clips[turn % len(clips)] for turn in count())
