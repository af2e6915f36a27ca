"""What is known of an engine's objects, for as long as they live."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

Note = TypeVar("Note")


class Notes(Generic[Note]):
    """
    Notes about objects of others, by identity.

    A `WeakKeyDictionary` asks for a hash, which Piper's dataclasses do not have.
    """

    def __init__(self) -> None:
        self._notes: dict[int, Note] = {}

    def put(self, thing: object, note: Note) -> None:
        """
        Keep a note about an object until the object goes, in place of an earlier one.

        Raises:
            TypeError: The object cannot be referred to weakly.
        """
        if id(thing) not in self._notes:
            weakref.finalize(thing, self._notes.pop, id(thing), None).atexit = False
        self._notes[id(thing)] = note

    def get(self, thing: object) -> Note | None:
        """Return the note about an object, or None."""
        return self._notes.get(id(thing))

    def take(self, thing: object) -> Note | None:
        """Return the note about an object, or None, and keep it no longer."""
        return self._notes.pop(id(thing), None)
