"""The way in."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def test_the_root_says_where_to_go(client: TestClient) -> None:
    """The root names the service and the way to everything else; each way leads somewhere."""
    index = client.get("/").json()
    assert index == {
        "service": "gateway",
        "version": version("voxtrace-services"),
        "openapi": "/openapi.json",
        "uploads": "/v1/uploads",
        "health": "/health",
    }
    ways = [index["openapi"], index["uploads"], index["health"]]
    assert [client.get(way).status_code for way in ways] == [200, 200, 200]


def test_the_description_has_our_version(client: TestClient) -> None:
    """OpenAPI describes the version that is installed."""
    assert client.get("/openapi.json").json()["info"]["version"] == version("voxtrace-services")
