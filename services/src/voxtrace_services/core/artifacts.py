"""The claim check: results live in a store under names made from the job id, and messages carry the names."""

from __future__ import annotations

import re
import shutil
import uuid
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import fsspec

if TYPE_CHECKING:
    from collections.abc import Iterator

# The name is part of a path, and may come from a message: nothing but a job id and a leaf.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}/[a-z][a-z0-9_-]{0,31}(\.[a-z0-9]{1,8})?")


class ArtifactError(Exception):
    """Base of what the store raises: ArtifactMissingError, ArtifactStoreUnavailableError."""


class ArtifactMissingError(ArtifactError):
    """There is no artifact of that name."""


class ArtifactStoreUnavailableError(ArtifactError):
    """The store cannot be reached, read or written: try again later."""


class ArtifactStore:
    """Artifacts under one fsspec URL; a write is seen whole or not at all."""

    def __init__(self, url: str) -> None:
        """
        Open the store at `url`.

        Args:
            url: Where to keep artifacts: `file:///var/lib/voxtrace`, `s3://bucket/prefix`, ...
        """
        self.url = url
        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            message = f"no artifact store for {url.partition(':')[0]!r}: install its fsspec driver ({error})"
            raise ArtifactStoreUnavailableError(message) from error
        self._root = str(root).rstrip("/")
        protocols = self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)
        # An object store shows an upload only when it is complete; a disk needs temp + rename.
        self._renames = "file" in protocols

    @property
    def folder(self) -> Path | None:
        """The folder on a disk of this machine; None for a store elsewhere."""
        return Path(self._root) if self._renames else None

    def write(self, name: str, data: bytes | IO[bytes]) -> None:
        """Store `data` under `name`; readers see what was there before or all of the new, never a part."""
        path = self._path(name)
        folder, _, leaf = path.rpartition("/")
        target = f"{folder}/.{leaf}.{uuid.uuid4().hex}.part" if self._renames else path
        source = BytesIO(data) if isinstance(data, bytes) else data
        with _reaching(name):
            self._fs.makedirs(folder, exist_ok=True)
            try:
                with self._fs.open(target, "wb") as file:
                    shutil.copyfileobj(source, file)
                if self._renames:
                    # fsspec's mv would move it into a folder of this name, and call that done.
                    Path(target).replace(path)
            except BaseException:
                self._discard(target)
                raise

    def read(self, name: str) -> bytes:
        """The artifact's bytes."""
        path = self._path(name)
        with _reading(name):
            return cast("bytes", self._fs.cat_file(path))

    def open(self, name: str) -> IO[bytes]:
        """The artifact as a binary file to read and close."""
        path = self._path(name)
        with _reading(name):
            return cast("IO[bytes]", self._fs.open(path, "rb"))

    def exists(self, name: str) -> bool:
        """Whether the artifact is there, whole."""
        path = self._path(name)
        with _reaching(name):
            # A remote listing may be cached from before another worker wrote.
            self._fs.invalidate_cache()
            return bool(self._fs.exists(path))

    def check(self) -> None:
        """Raise ArtifactStoreUnavailableError unless the store can be written (for health checks)."""
        name = f"health-{uuid.uuid4().hex}/probe"
        self.write(name, b"ok")
        with _reaching(name):
            self._fs.rm(self._path(name).rpartition("/")[0], recursive=True)

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ArtifactMissingError(f"{name!r} is no artifact name: use '<job id>/<leaf>'")
        return f"{self._root}/{name}"

    def _discard(self, path: str) -> None:
        try:
            self._fs.rm_file(path)
        except Exception:  # noqa: BLE001  the failure being reported matters, the litter does not
            return


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        with _reaching(name):
            yield
    except ArtifactStoreUnavailableError as error:
        if isinstance(error.__cause__, FileNotFoundError | IsADirectoryError):
            raise ArtifactMissingError(f"no artifact {name!r}") from error.__cause__
        raise


@contextmanager
def _reaching(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # every fsspec driver has exceptions of its own
        message = f"artifact store failed on {name!r}: {type(error).__name__}"
        raise ArtifactStoreUnavailableError(message) from error
