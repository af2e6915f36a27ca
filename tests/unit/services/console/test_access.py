"""Who may talk to the console."""

import httpx
import pytest

from unit.services.console.conftest import PROTOBUF, Clock, Console
from voxtrace_services.console.access import ConsoleSettings, require_safe_bind
from voxtrace_services.console.app import create_app
from voxtrace_services.console.errors import UnsafeBindError
from voxtrace_services.console.store import Store
from voxtrace_services.console.writer import Writer

TOKEN = "tökén"  # noqa: S105 - of this test alone
ROUTES = ["/api/v3/services", "/api/v3/traces", "/api/red", "/api/signals", "/api/logs", "/api/metrics"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    """A loopback address may be listened on without a token."""
    require_safe_bind(host, None)


@pytest.mark.parametrize("host", ["::", "192.0.2.1", "console.example", ""])
def test_other_machines_need_a_token(host: str) -> None:
    """Any other address without a token is refused with both ways out, and is fine with one."""
    with pytest.raises(UnsafeBindError, match=r"VOXTRACE_CONSOLE_TOKEN.*127\.0\.0\.1"):
        require_safe_bind(host, None)
    require_safe_bind(host, "secret")


def test_the_token_comes_from_the_environment_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """VOXTRACE_CONSOLE_TOKEN is read, an empty one is none, and the settings do not print it."""
    monkeypatch.setenv("VOXTRACE_CONSOLE_TOKEN", "s3cret")
    settings = ConsoleSettings()
    assert settings.console_token is not None
    assert settings.console_token.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
    monkeypatch.setenv("VOXTRACE_CONSOLE_TOKEN", "")
    assert ConsoleSettings().console_token is None


async def test_a_private_network_calls_it_by_name(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named for a private network, it listens beyond loopback, to those names and loopback's alone."""
    monkeypatch.setenv("VOXTRACE_CONSOLE_NAMES", "console, telemetry")
    names = ConsoleSettings().console_names
    assert names == ("console", "telemetry")
    require_safe_bind("0.0.0.0", None, names)  # noqa: S104  the address under test
    transport = httpx.ASGITransport(create_app(store, Writer(store), names=names, clock=clock))
    async with httpx.AsyncClient(transport=transport) as http:
        hosts = ("console:8090", "telemetry", "127.0.0.1:9", "rebound.example", "192.0.2.1")
        answers = {host: (await http.get(f"http://{host}/api/v3/services")).status_code for host in hosts}
    assert list(answers.values()) == [200, 200, 200, 400, 400]


async def test_without_the_token_nothing_but_health_answers(store: Store, clock: Clock) -> None:
    """With a token set, every route needs it, under any host name; /health does not."""
    writer = Writer(store)
    writer.start()
    transport = httpx.ASGITransport(create_app(store, writer, token=TOKEN, clock=clock))
    good = {"Authorization": f"Bearer {TOKEN}".encode()}
    async with httpx.AsyncClient(transport=transport, base_url="http://console.example:8090") as http:
        for headers in ({}, {"Authorization": b"Bearer wrong"}, {"Authorization": b"Basic t"}):
            for route in ROUTES:
                answer = await http.get(route, headers=headers)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert (await http.post("/v1/traces", content=b"", headers=PROTOBUF | headers)).status_code == 401
        for route in ROUTES:
            assert (await http.get(route, headers=good)).status_code in (200, 404)
        assert (await http.post("/v1/traces", content=b"", headers=PROTOBUF | good)).status_code == 200
        assert (await http.get("/health")).status_code == 200
    assert writer.close(10)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
async def test_a_web_page_cannot_rebind_its_name_to_the_console(console: Console, host: str) -> None:
    """Without a token, requests under a name that is not this machine's are refused."""
    answer = await console.http.get("/api/v3/services", headers={"Host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost:8090", "127.0.0.1:8090", "[::1]:8090", "LOCALHOST"])
async def test_this_machines_names_are_served(console: Console, host: str) -> None:
    """Each of this machine's own names is served, on any port."""
    answer = await console.http.get("/api/v3/services", headers={"Host": host})
    assert answer.status_code == 200


async def test_health_is_that_of_the_writer(console: Console) -> None:
    """Health is 200 while writes work and 503 once the writer has ended."""
    checks = (await console.get("/health"))["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {"database": "ok"}
    assert console.writer.close(10)
    answer = await console.http.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "failing")


async def test_there_are_no_pages_that_nobody_asked_for(console: Console) -> None:
    """The framework's own documentation pages are off."""
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await console.http.get(path)).status_code == 404
