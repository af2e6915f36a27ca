"""Notes about objects of others live as long as the objects."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import pytest

from voxtrace.engines._notes import Notes


@dataclass
class Equal:
    """A thing that equals every other of its kind, and has no hash."""


def test_notes_are_about_one_object() -> None:
    """Things that are equal, and cannot be hashed, have notes of their own."""
    notes: Notes[str] = Notes()
    one, other = Equal(), Equal()
    notes.put(one, "first")
    notes.put(one, "second")
    assert (notes.get(one), notes.get(other)) == ("second", None)
    assert (notes.take(one), notes.take(one)) == ("second", None)


def test_a_note_goes_with_its_object() -> None:
    """Another object at the same place in memory finds no note, also where one was taken and put again."""
    notes: Notes[str] = Notes()
    thing = Equal()
    notes.put(thing, "first")
    notes.take(thing)
    notes.put(thing, "second")
    del thing
    gc.collect()
    assert notes._notes == {}


def test_what_cannot_be_referred_to_weakly_has_no_notes() -> None:
    """A number is refused, and nothing is kept about it."""
    notes: Notes[str] = Notes()
    with pytest.raises(TypeError, match="weak reference"):
        notes.put(7, "seven")
    assert notes.get(7) is None
