"""The routes under /v1/faults: what goes wrong on purpose, where the operator allows it."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from voxtrace_services.core.faults import (
    CATALOGUE,
    FAULTS,
    SETTING,
    Board,
    Fault,
    Name,
    Service,
    UnknownFaultError,
    Wish,
)
from voxtrace_services.gateway import problems
from voxtrace_services.gateway.problems import ProblemError


class KnownFault(BaseModel):
    """A fault that there is: what it does, in which services, and which numbers it heeds."""

    name: Name
    brief: str
    services: tuple[Service, ...]
    heeds: tuple[str, ...]


class FaultList(BaseModel):
    """The faults that are on, and all that there are."""

    on: tuple[Fault, ...]
    known: tuple[KnownFault, ...]


_KNOWN = tuple(
    KnownFault(name=name, brief=kind.brief, services=kind.services, heeds=kind.heeds)
    for name, kind in CATALOGUE.items()
)


class Faults:
    """The faults as a resource; every request is refused unless the gateway's environment allows them."""

    def __init__(self, board: Board | None) -> None:
        self._board = board

    @property
    def router(self) -> APIRouter:
        """The routes."""
        router = APIRouter(prefix=FAULTS, tags=["faults"])
        router.add_api_route("", self.all, methods=["GET"])
        router.add_api_route("", self.end_all, methods=["DELETE"], status_code=204)
        router.add_api_route("/{name}", self.switch_on, methods=["PUT"])
        router.add_api_route("/{name}", self.switch_off, methods=["DELETE"], status_code=204)
        return router

    def all(self) -> FaultList:
        """Which faults are on, and which there are."""
        return FaultList(on=self._allowed().read(), known=_KNOWN)

    def switch_on(self, name: str, wish: Wish) -> Fault:
        """Switch a fault on, for one service or for all that it can befall; each heeds it within a second."""
        board = self._allowed()
        try:
            return board.switch_on(_known(name), wish)
        except UnknownFaultError as error:
            raise ProblemError(problems.UNKNOWN_FAULT, f"{error}.") from error

    def switch_off(self, name: str, service: Service | None = None) -> Response:
        """Switch a fault off."""
        self._allowed().switch_off(_known(name), service)
        return Response(status_code=204)

    def end_all(self) -> Response:
        """Switch every fault off."""
        self._allowed().switch_off()
        return Response(status_code=204)

    def _allowed(self) -> Board:
        if self._board is None:
            detail = (
                f"Set {SETTING} for the gateway and the workers and start them again: never where real work "
                "is done."
            )
            raise ProblemError(problems.FAULTS_OFF, detail)
        return self._board


def _known(name: str) -> Name:
    for known in CATALOGUE:
        if known == name:
            return known
    raise ProblemError(problems.UNKNOWN_FAULT, f"There are: {', '.join(CATALOGUE)}.")
