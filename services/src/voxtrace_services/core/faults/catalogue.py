"""The faults there are, whom they can befall, and what is said when one is switched on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

#: The path at the gateway.
FAULTS = "/v1/faults"
#: What a service's environment must say before anything here is looked at.
SETTING = "VOXTRACE_FAULTS=on"

Service = Literal["gateway", "asr", "translation", "synthesis"]
Name = Literal[
    "slow-engine",
    "failing-engine",
    "broken-audio",
    "poison-message",
    "requeue",
    "stopped-consumer",
    "full-disk",
    "slow-disk",
    "cold-cache",
    "memory-leak",
    "busy-cpu",
]

SERVICES: tuple[Service, ...] = get_args(Service)
NAMES: tuple[Name, ...] = get_args(Name)
_WORKERS: tuple[Service, ...] = ("asr", "translation", "synthesis")

#: A forgotten fault ends by itself.
DEFAULT_MINUTES = 15.0
LONGEST_MINUTES = 24 * 60.0


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault: what happens, in which services, and which of the numbers it heeds."""

    brief: str
    services: tuple[Service, ...] = _WORKERS
    heeds: tuple[str, ...] = ()


CATALOGUE: dict[Name, Kind] = {
    "slow-engine": Kind(brief="The engine takes so many seconds longer.", heeds=("share", "seconds")),
    "failing-engine": Kind(brief="The engine fails at its work.", heeds=("share",)),
    "broken-audio": Kind(
        brief="What is read of the recording is noise that no decoder knows.",
        services=("asr",),
        heeds=("share",),
    ),
    "poison-message": Kind(brief="What the worker sends to the next stage cannot be read.", heeds=("share",)),
    "requeue": Kind(
        brief="The worker gives a message back to the queue instead of working.",
        services=SERVICES,
        heeds=("share",),
    ),
    "stopped-consumer": Kind(brief="The service runs and takes nothing from its queue.", services=SERVICES),
    "full-disk": Kind(
        brief="Writing an artifact fails: no space left on device.", services=SERVICES, heeds=("share",)
    ),
    "slow-disk": Kind(
        brief="Writing an artifact takes so many seconds longer.",
        services=SERVICES,
        heeds=("share", "seconds"),
    ),
    "cold-cache": Kind(
        brief="The translation cache has forgotten everything, before each look.", services=("translation",)
    ),
    "memory-leak": Kind(
        brief="The resident memory grows by so many megabytes a second, to a limit.",
        services=SERVICES,
        heeds=("megabytes", "limit_megabytes"),
    ),
    "busy-cpu": Kind(brief="Every processor that the process may use is kept busy.", services=SERVICES),
}


class Wish(BaseModel):
    """What is asked for with a fault; what its kind does not heed is left alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Whom it befalls; nobody named: everyone that it can.
    service: Service | None = None
    #: Of the messages or requests; which ones is left to chance.
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    seconds: Annotated[float, Field(ge=0, le=600)] = 3.0
    megabytes: Annotated[int, Field(gt=0, le=16_384)] = 64
    limit_megabytes: Annotated[int, Field(gt=0, le=1024 * 1024)] = 1024
    minutes: Annotated[float, Field(gt=0, le=LONGEST_MINUTES)] = DEFAULT_MINUTES


class Fault(BaseModel):
    """A fault that is switched on, until a moment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    service: Service | None
    share: float
    seconds: float
    megabytes: int
    limit_megabytes: int
    until: AwareDatetime

    def befalls(self, service: str) -> bool:
        """Whether a service has it."""
        return service in CATALOGUE[self.name].services and self.service in {None, service}

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        return datetime.now(UTC) >= self.until

    def told(self) -> dict[str, Any]:
        """What a report says of it: the numbers that it heeds, and no others."""
        told = self.model_dump(mode="json", exclude_none=True)
        numbers = {"share", "seconds", "megabytes", "limit_megabytes"} - set(CATALOGUE[self.name].heeds)
        return {key: value for key, value in told.items() if key not in numbers}
