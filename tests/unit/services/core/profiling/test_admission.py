"""Who may have a profile."""

from __future__ import annotations

import pytest

from voxtrace_services.core.profiling import Policy, Turn, refusal

OWN = {"host": "127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("policy", "peer", "headers", "allowed"),
    [
        ("loopback", "127.0.0.1", OWN, True),
        ("loopback", "::1", {"host": "[::1]:8080"}, True),
        ("loopback", "127.0.0.1", {"host": "localhost"}, True),
        ("loopback", "127.0.0.1", {**OWN, "sec-fetch-site": "same-origin"}, True),
        ("loopback", "10.0.0.7", OWN, False),
        ("loopback", None, OWN, False),
        ("loopback", "testclient", OWN, False),
        ("loopback", "127.0.0.1", {**OWN, "x-forwarded-for": "127.0.0.1"}, False),
        ("loopback", "127.0.0.1", {**OWN, "forwarded": "for=127.0.0.1"}, False),
        ("loopback", "127.0.0.1", {"host": "evil.example"}, False),
        ("loopback", "127.0.0.1", {"host": "127.0.0.1.evil.example:8080"}, False),
        ("loopback", "127.0.0.1", {**OWN, "sec-fetch-site": "cross-site"}, False),
        ("anyone", "10.0.0.7", {}, True),
        ("off", "127.0.0.1", OWN, False),
    ],
)
def test_who_may(policy: Policy, peer: str | None, headers: dict[str, str], allowed: bool) -> None:
    """This machine may, by its own names, with no proxy and no web page in between; others if that is set."""
    reason = refusal(policy, peer, headers)
    assert (reason is None) is allowed
    assert reason is None or "VOXTRACE_PROFILING=" in reason


def test_one_at_a_time() -> None:
    """A second one does not get the turn, and gets it once the first is done, however it ended."""
    turn = Turn()
    with turn.taken() as first, turn.taken() as second:
        assert (first, second) == (True, False)
    with pytest.raises(KeyError), turn.taken():
        raise KeyError
    with turn.taken() as again:
        assert again
