"""An artifact store on a full disk, and a recording that is noise."""

from __future__ import annotations

import errno
import io
import os
import time
from typing import IO, TYPE_CHECKING, cast

from voxtrace_services.core.artifacts import ArtifactStore
from voxtrace_services.core.engines import strike
from voxtrace_services.core.results import AUDIO

if TYPE_CHECKING:
    from voxtrace_services.core.faults.injection import Injection


class FaultyStore(ArtifactStore):
    """A store under faults."""

    def __init__(self, store: ArtifactStore, faults: Injection) -> None:
        super().__init__(store.url)
        self._faults = faults

    def write(self, name: str, data: bytes | IO[bytes]) -> None:
        """Store `data`, sooner or later, if there is space."""
        if (slow := self._faults.struck("slow-disk")) is not None:
            time.sleep(slow.seconds)
        super().write(name, cast("IO[bytes]", _Full()) if self._faults.struck("full-disk") else data)

    def open(self, name: str) -> IO[bytes]:
        """The artifact; a recording is read in the midst of the engine's work, so there it is struck."""
        file = super().open(name)
        if not name.endswith(f"/{AUDIO}"):
            return file
        return cast("IO[bytes]", _Recording(file, broken=self._faults.struck("broken-audio") is not None))


class _Full:
    """What cannot be copied anywhere: the write has begun, and there is no space."""

    def read(self, _size: int) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _Recording(io.BufferedIOBase):
    """A recording as an engine reads it under faults."""

    def __init__(self, file: IO[bytes], *, broken: bool) -> None:
        self._file = file
        self._broken = broken

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        strike()
        found = self._file.read(-1 if size is None else size)
        return b"\x55" * len(found) if self._broken else found

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()
