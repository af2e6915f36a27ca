"""Where translations are kept: in memory, or in a Redis that workers share, which may be away."""

from __future__ import annotations

import json
import logging
import math
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, cast

from dogpile.cache import make_region

from voxtrace_services.core import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dogpile.cache import CacheRegion

    from voxtrace_services.translation.entries import Entries

_log = logging.getLogger(__name__)

#: For how long a store that did not answer is left alone.
BACK_OFF_SECONDS = 5.0

#: Redis may take this long to be reached, and again to answer: an engine is not much slower.
_TIMEOUT_SECONDS = 0.25

#: What reading somebody else's value ends in. None of these is an error of the connection.
_UNREADABLE = (ValueError, TypeError, KeyError, RecursionError)

#: How the setting is called where a user reads of it.
SETTING = "VOXTRACE_TRANSLATION_CACHE_URL"


class StoreError(Exception):
    """The store cannot be set up as the settings say; quotes no address, which may hold a password."""


class UnavailableError(Exception):
    """The store does not answer, or not with a translation."""


class Kept(NamedTuple):
    """A translation that was kept, and for how many seconds."""

    text: str
    age: float


class Store:
    """
    A region of dogpile.cache that may be away.

    Nobody waits for another's translation of the same text: two at once are made twice, and no lock of a
    process that died holds up a job.
    """

    def __init__(self, region: CacheRegion, clock: Callable[[], float] = time.monotonic) -> None:
        self._region = region
        self._clock = clock
        self._away_until: float | None = None

    def find(self, key: str) -> Kept | None:
        """
        Look for a translation that has not expired.

        Raises:
            UnavailableError: There is no telling; after a failure for BACK_OFF_SECONDS without asking.
        """
        with self._answering():
            value = self._region.get_value_metadata(key)
            return None if value is None else Kept(cast("str", value.payload), value.age)

    def keep(self, key: str, text: str) -> None:
        """Keep a translation, if the store can be reached."""
        with suppress(UnavailableError), self._answering():
            self._region.set(key, text)

    def forget(self) -> None:
        """Take what was kept until now for expired, in this process."""
        self._region.invalidate()  # type: ignore[no-untyped-call]  # dogpile has no types there

    @contextmanager
    def _answering(self) -> Iterator[None]:
        if self._away_until is not None and self._clock() < self._away_until:
            raise UnavailableError
        try:
            yield
        except _UNREADABLE as error:
            _log.warning("not a translation in the cache", extra={"exception_type": logs.type_name(error)})
            raise UnavailableError from None
        except Exception as error:  # noqa: BLE001  whatever a client raises, the text is translated
            if self._away_until is None:
                _log.warning("translation cache is away", extra={"exception_type": logs.type_name(error)})
            self._away_until = self._clock() + BACK_OFF_SECONDS
            raise UnavailableError from None
        if self._away_until is not None:
            self._away_until = None
            _log.info("translation cache is back")


def in_memory(entries: Entries, *, seconds: float) -> Store:
    """A store in this process, which ends with it."""
    region = make_region().configure(
        "dogpile.cache.memory", expiration_time=seconds, arguments={"cache_dict": entries}
    )
    return Store(region)


def in_redis(url: str, *, seconds: float) -> Store:
    """
    A store that every worker with this address shares; it need not be up yet.

    Raises:
        StoreError: The client is not installed, or the address is none.
    """
    arguments = {
        "url": url,
        "redis_expiration_time": math.ceil(seconds),
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "socket_timeout": _TIMEOUT_SECONDS,
    }
    region = make_region(serializer=_serialized, deserializer=_deserialized)
    try:
        region.configure("dogpile.cache.redis", expiration_time=seconds, arguments=arguments)
    except ImportError:
        raise StoreError(f"{SETTING} names a Redis: pip install 'voxtrace-services[redis]'") from None
    except ValueError:
        raise StoreError(f"{SETTING} is no address of a Redis: write redis://host:6379/0") from None
    return Store(region)


def _serialized(text: str) -> bytes:
    return json.dumps(text).encode()


def _deserialized(kept: bytes) -> str:
    """Read a translation; never by pickle, which runs what it reads."""
    text = json.loads(kept)
    if not isinstance(text, str):
        raise TypeError
    # Half a surrogate pair is JSON and no text.
    text.encode()
    return text
