"""What a forked child has from its parent, and must not take for its own."""

import functools
import os
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

_T = TypeVar("_T")
_Renewals = WeakKeyDictionary[object, Callable[[object], None]]


def renewed_in_child(owner: _T, renew: Callable[[_T], None]) -> None:
    """
    Has `renew` called with `owner` in every child that is forked, as long as `owner` is there.

    Only the thread that forked is in the child: what another one held or left half done stays so.
    """
    _renewals()[owner] = renew  # type: ignore[assignment]  # it is called with its key alone


@functools.cache
def _renewals() -> _Renewals:
    renewals: _Renewals = WeakKeyDictionary()

    def in_child() -> None:
        for owner, renew in list(renewals.items()):
            renew(owner)

    # Python takes no such function back: there is one for all.
    os.register_at_fork(after_in_child=in_child)
    return renewals
