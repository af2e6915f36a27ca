"""The artifact store."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from voxtrace_services.core.artifacts import (
    ArtifactMissingError,
    ArtifactStore,
    ArtifactStoreUnavailableError,
)


@pytest.fixture(name="store", params=["file", "memory"])
def _store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """A store on disk and one that behaves as an object store does."""
    return ArtifactStore(tmp_path.as_uri() if request.param == "file" else f"memory://{tmp_path}")


@pytest.mark.parametrize("data", [b"sound", io.BytesIO(b"sound")], ids=["bytes", "file"])
def test_write_and_read(store: ArtifactStore, data: bytes | io.BytesIO) -> None:
    """What was written, from memory or from a file, is read back."""
    if isinstance(data, io.BytesIO):
        data.seek(0)
    store.write("job/audio", data)
    assert store.exists("job/audio")
    assert store.read("job/audio") == b"sound"
    with store.open("job/audio") as file:
        assert file.read() == b"sound"


def test_missing(store: ArtifactStore) -> None:
    """What nobody wrote is missing, however one asks."""
    assert not store.exists("job/audio")
    for look in (store.read, store.open):
        with pytest.raises(ArtifactMissingError, match="job/audio"):
            look("job/audio")


def test_replaced(store: ArtifactStore) -> None:
    """A second write replaces the first."""
    store.write("job/audio", b"one")
    store.write("job/audio", b"two")
    assert store.read("job/audio") == b"two"


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "job", "job/../x", "job/.x", "job/a/b", ""]
)
def test_no_way_out(store: ArtifactStore, name: str) -> None:
    """A name that is none of ours never becomes a path."""
    with pytest.raises(ArtifactMissingError, match="no artifact name"):
        store.read(name)


class Breaking(io.BytesIO):
    """A source that breaks off."""

    def read(self, _size: int | None = -1) -> bytes:
        """Break off, half-way."""
        if self.tell():
            raise ConnectionResetError
        return super().read(5)


def test_half_a_write_is_none(tmp_path: Path) -> None:
    """A write that breaks off leaves nothing behind, neither artifact nor litter."""
    store = ArtifactStore(tmp_path.as_uri())
    with pytest.raises(ArtifactStoreUnavailableError):
        store.write("job/audio", Breaking(b"sound and more"))
    assert not store.exists("job/audio")
    assert list((tmp_path / "job").iterdir()) == []


def test_unwritable(tmp_path: Path) -> None:
    """A store that cannot be written says so, to the writer and to the check."""
    (tmp_path / "file").write_bytes(b"")
    store = ArtifactStore((tmp_path / "file" / "below").as_uri())
    with pytest.raises(ArtifactStoreUnavailableError):
        store.write("job/audio", b"sound")
    with pytest.raises(ArtifactStoreUnavailableError):
        store.check()


def test_file_in_the_way(tmp_path: Path) -> None:
    """A file where a job's folder should be is the store's fault, for whoever writes or reads."""
    (tmp_path / "job").write_bytes(b"")
    store = ArtifactStore(tmp_path.as_uri())
    with pytest.raises(ArtifactStoreUnavailableError):
        store.write("job/audio", b"sound")
    for look in (store.read, store.open):
        with pytest.raises(ArtifactStoreUnavailableError):
            look("job/audio")


def test_folder_in_the_way(tmp_path: Path) -> None:
    """A folder where the artifact should be makes the write fail, and leaves no litter in it."""
    (tmp_path / "job" / "audio").mkdir(parents=True)
    with pytest.raises(ArtifactStoreUnavailableError):
        ArtifactStore(tmp_path.as_uri()).write("job/audio", b"sound")
    assert [path.name for path in tmp_path.rglob("*")] == ["job", "audio"]


def test_check_leaves_no_trace(tmp_path: Path) -> None:
    """Checking a store that is well leaves it as it was."""
    ArtifactStore(tmp_path.as_uri()).check()
    assert os.listdir(tmp_path) == []  # noqa: PTH208  a Path is what is under test


def test_unknown_driver() -> None:
    """A URL nobody can open names what to install."""
    with pytest.raises(ArtifactStoreUnavailableError, match="fsspec driver"):
        ArtifactStore("carrier-pigeon://roof")
