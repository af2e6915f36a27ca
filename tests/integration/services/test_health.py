"""The library's check of a broker, on a real one."""

from __future__ import annotations

import pytest

from integration.services.workers import Site
from voxtrace.errors import HealthCheckError
from voxtrace.health import broker


def test_a_broker_lets_us_in(site: Site) -> None:
    """RabbitMQ answers the check as a client would be answered."""
    assert broker(site.url)() is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [("guest:guest@", "guest:wrong@", r"reply code 403"), ("%2F", "none", r"reply code 530")],
)
def test_a_broker_that_refuses(site: Site, old: str, new: str, reason: str) -> None:
    """A wrong password and a virtual host that is not there are told apart."""
    assert old in site.url
    with pytest.raises(HealthCheckError, match=reason):
        broker(site.url.replace(old, new))()
