"""The faults as an operator sees them at the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from unit.services.gateway.sounds import wav
from unit.services.gateway.waiting import until
from voxtrace_services.core.faults import CATALOGUE
from voxtrace_services.core.faults.board import DOCUMENT
from voxtrace_services.gateway.settings import GatewaySettings

if TYPE_CHECKING:
    from pathlib import Path

    from unit.services.gateway.conftest import Gateway


class TestOff:
    """As everywhere unless its operator says otherwise."""

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/faults"),
            ("DELETE", "/v1/faults"),
            ("PUT", "/v1/faults/full-disk"),
            ("DELETE", "/v1/faults/full-disk"),
            ("PUT", "/v1/faults/no-such-fault"),
        ],
    )
    def test_refused(self, client: TestClient, gateway: Gateway, method: str, path: str) -> None:
        """Every request is refused by a problem that names the setting, and nothing is written."""
        answer = client.request(method, path, json={} if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "faults_off")
        assert "VOXTRACE_FAULTS=on" in answer.json()["detail"]
        assert not gateway.store.exists(DOCUMENT)

    def test_health_says_nothing(self, client: TestClient) -> None:
        """A gateway without faults does not speak of them."""
        assert "faults" not in client.get("/health").json()


class TestOn:
    """Where VOXTRACE_FAULTS=on."""

    @pytest.fixture
    def settings(self) -> GatewaySettings:
        """Small limits, and faults."""
        return GatewaySettings(
            max_upload_bytes=100_000, max_audio_seconds=2.0, supported_targets=("es",), faults="on"
        )

    def test_switched_on_and_off(self, client: TestClient) -> None:
        """What is switched on is listed until it is switched off."""
        put = client.put("/v1/faults/slow-engine", json={"service": "asr", "seconds": 2.5})
        assert put.status_code == 200
        (fault,) = client.get("/v1/faults").json()["on"]
        assert fault == put.json()
        assert (fault["name"], fault["service"], fault["seconds"]) == ("slow-engine", "asr", 2.5)
        assert client.delete("/v1/faults/slow-engine").status_code == 204
        assert client.get("/v1/faults").json()["on"] == []

    def test_all_off(self, client: TestClient) -> None:
        """Without a name every fault is switched off."""
        for name in ("slow-engine", "cold-cache"):
            client.put(f"/v1/faults/{name}", json={})
        assert client.delete("/v1/faults").status_code == 204
        assert client.get("/v1/faults").json()["on"] == []

    def test_known(self, client: TestClient) -> None:
        """The list has every fault there is, with what it does."""
        known = client.get("/v1/faults").json()["known"]
        assert {one["name"]: one["brief"] for one in known} == {
            name: kind.brief for name, kind in CATALOGUE.items()
        }

    def test_unknown(self, client: TestClient) -> None:
        """An unknown fault is a problem that names those there are."""
        answer = client.put("/v1/faults/gremlins", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_fault")
        assert "slow-engine" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("name", "wish", "code"),
        [
            ("broken-audio", {"service": "gateway"}, "unknown_fault"),
            ("full-disk", {"service": "nobody"}, "invalid_field"),
            ("full-disk", {"share": 0}, "invalid_field"),
            ("full-disk", {"minutes": 1e9}, "invalid_field"),
            ("full-disk", {"sharee": 0.5}, "invalid_field"),
        ],
    )
    def test_a_bad_wish(self, client: TestClient, name: str, wish: dict[str, object], code: str) -> None:
        """What makes no sense is a problem, and switches nothing on."""
        answer = client.put(f"/v1/faults/{name}", json=wish)
        assert answer.json()["code"] == code
        assert client.get("/v1/faults").json()["on"] == []

    def test_the_gateway_has_it_too(self, client: TestClient, artifacts: Path) -> None:
        """With a full disk uploads are refused as on a real one, and health fails and says why."""
        client.put("/v1/faults/full-disk", json={"service": "gateway"})
        _send_until(client, 503)
        before = sorted(artifacts.rglob("*/audio"))
        answer = client.post("/v1/uploads", files={"audio": ("x.wav", wav())})
        assert answer.json()["code"] == "artifacts_unavailable"
        assert sorted(artifacts.rglob("*/audio")) == before
        health = client.get("/health")
        assert health.status_code == 503
        assert [fault["name"] for fault in health.json()["faults"]] == ["full-disk"]
        client.delete("/v1/faults")
        _send_until(client, 202)

    @pytest.fixture
    def artifacts(self, gateway: Gateway) -> Path:
        """Where uploads are put."""
        return gateway.artifacts


def _send_until(client: TestClient, status: int) -> None:
    """Upload until the gateway has heard of the change."""

    def sent() -> bool:
        return client.post("/v1/uploads", files={"audio": ("x.wav", wav())}).status_code == status

    until(sent)
