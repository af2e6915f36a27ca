"""Every expression of every dashboard and rule after a load run, and every link that is shown."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.answers import Answers
from e2e.evidence import StatusPolls, jaeger_trace, send, until
from rules import expressions
from rules.expressions import Expression
from voxtrace_services.native.ports import Ports
from voxtrace_services.native.stack import Stack

HERE = Path(__file__).parent
ASKED = [
    *expressions.drawn(),
    *expressions.noted(),
    *expressions.chosen(),
    *expressions.linked(),
    *expressions.ruled(),
]
#: Those that show single traces as dots, whether the Collector samples or not.
DOTTED = [one for one in expressions.drawn() if one.exemplars and "traces_sampled_" in one.text]


@pytest.fixture(scope="module", name="stack")
def _stack(apertium: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A pipeline whose numbers move within seconds: exports, scrapes and rules come faster than elsewhere."""
    every = {
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
        "VOXTRACE_PRICES": str(HERE / "prices.toml"),
        "VOXTRACE_RETRY_DELAYS": "0.5,1",
    }
    environment = {
        "gateway": every,
        "asr": every,
        "translation": every | apertium,
        "synthesis": every,
        "collector": {
            "VOXTRACE_SPAN_METRICS_INTERVAL": "2s",
            # Half of the traces go: no dot may lead to one of those.
            "VOXTRACE_SAMPLING_PERCENT": "50",
            "VOXTRACE_SAMPLING_DECISION_WAIT": "4s",
        },
        "prometheus": {"VOXTRACE_RULE_TIME_SCALE": "20"},
    }
    with Stack(tmp_path_factory.mktemp("asked"), ports=Ports.free(), full=True, env=environment) as stack:
        yield stack


@pytest.fixture(scope="module", name="loaded")
def _loaded(stack: Stack, clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The traces of a load run: uploads one after another, so that there is something to see a rate of."""
    noise = tmp_path_factory.mktemp("noise") / "noise.wav"
    made = "anoisesrc=d=1.5:c=white:a=0.5:r=16000"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", made, "-ac", "1", str(noise)], check=True)
    recordings = clips | {"noise": noise}
    kinds = ["short", "noise", "long", "never"] * 3
    polls = StatusPolls(stack.gateway_url)
    traces = []
    for kind in kinds:
        upload = send(stack.gateway_url, kind, recordings[kind])
        traces.append(upload["trace_id"])
        last = until(
            lambda upload_id=upload["id"]: polls.ask(upload_id)["state"],
            lambda state: state in {"completed", "failed"},
        )
        assert last == ("failed" if kind == "never" else "completed") or kind == "noise"
        # An export's time and more between two uploads, however fast the machine is.
        time.sleep(2.5)
    return traces


@pytest.fixture(scope="module", name="web")
def _web() -> Iterator[httpx.Client]:
    """Ask for pages over connections that are kept."""
    with httpx.Client(timeout=30) as client:
        yield client


@pytest.fixture(scope="module", name="answers")
def _answers(stack: Stack, web: httpx.Client, loaded: list[str]) -> Answers:
    """Prometheus, after the load run."""
    assert stack.prometheus_url is not None
    return Answers(stack.prometheus_url, web, met={"prices", "sampling"})


@pytest.fixture(scope="module", name="shown")
def _shown(answers: Answers) -> dict[str, set[str]]:
    """The traces that panels show as dots."""
    for one in DOTTED:
        until(lambda one=one: answers.exemplars(one), bool, seconds=30)
    return {one.where: answers.exemplars(one) for one in expressions.drawn() if one.exemplars}


def test_every_expression_has_data(answers: Answers) -> None:
    """All that dashboards, data sources and recording rules ask has data, save what a load does not bring."""
    left = {one.where: one for one in ASKED}

    def read() -> dict[str, str]:
        found = {where: said for where, one in left.items() if (said := answers.missing(one))}
        for where in left.keys() - found.keys():
            del left[where]
        return found

    assert until(read, lambda missing: not missing, seconds=120) == {}


def test_an_expression_without_data_is_noticed(answers: Answers) -> None:
    """A series that nobody sends, a label that nothing has, and a quotient of nothing are no data."""
    for text in ("speech_nonsense_total", 'speech_jobs{speech_job_state="lost"}', "0 * speech_jobs / 0"):
        assert answers.missing(Expression(where="a test", text=text)) == "no data"


def test_every_dot_opens_its_trace(
    stack: Stack, web: httpx.Client, loaded: list[str], shown: dict[str, set[str]]
) -> None:
    """Each panel that is to show traces as dots has some, and every one of all is in Jaeger: it was kept."""
    assert [one.where for one in DOTTED if not shown[one.where]] == []
    ids = set[str]().union(*shown.values())
    kept = {one for one in loaded if web.get(f"{stack.jaeger_url}/api/v3/traces/{one}").status_code == 200}
    assert kept < set(loaded), "nothing was let go: this test has nothing to say"
    lost = {one for one in ids if web.get(f"{stack.jaeger_url}/api/v3/traces/{one}").status_code != 200}
    assert lost == set()


def test_every_link_of_a_dot_leads_somewhere(
    stack: Stack, web: httpx.Client, shown: dict[str, set[str]]
) -> None:
    """From a dot there is a way to the trace in Grafana's Jaeger, in Jaeger itself and in the console."""
    places = {
        "VOXTRACE_JAEGER_PUBLIC_URL": stack.jaeger_url,
        "VOXTRACE_CONSOLE_PUBLIC_URL": stack.console_url,
    }
    trace = min(set[str]().union(*shown.values()))
    sources = expressions.sources()
    ways = sources["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert [way["datasourceUid"] for way in ways if "url" not in way] == [sources["jaeger"]["uid"]]
    addresses = [
        re.sub(
            r"\$\{(\w+)\}", lambda name: places[name[1]] or "", way["url"].replace("$${__value.raw}", trace)
        )
        for way in ways
        if "url" in way
    ]
    assert len(addresses) == 2
    assert {address: web.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)


def test_jaeger_answers_grafana(stack: Stack, web: httpx.Client, shown: dict[str, set[str]]) -> None:
    """What Grafana asks of Jaeger is there: services, operations, search, trace, dependencies."""
    one = min(set[str]().union(*shown.values()))
    api, now = f"{stack.jaeger_url}/api", time.time()

    def data(path: str, **asked: str | int) -> Any:
        answer = web.get(f"{api}/{path}", params=asked or None)
        assert answer.status_code == 200, path
        return answer.json()["data"]

    assert {"gateway", "asr", "translation", "synthesis"} <= set(data("services"))
    assert "process speech:transcribe" in data("services/asr/operations")
    end = round(now * 1e6)
    assert data("traces", service="asr", limit=5, start=end - 3600 * 10**6, end=end)
    assert data(f"traces/{one}")[0]["traceID"] == one
    edges = data("dependencies", endTs=round(now * 1000), lookback=3600 * 1000)
    assert ("gateway", "asr") in {(edge["parent"], edge["child"]) for edge in edges}


def test_links_of_jaeger_lead_somewhere(stack: Stack, web: httpx.Client, shown: dict[str, set[str]]) -> None:
    """Jaeger's page links a trace to the console, and a service to a dashboard of ours."""
    page = web.get(stack.jaeger_url or "").text
    links = re.findall(r'"url":"([^"]+)"', page.replace("\\u0026", "&"))
    # Of an upload that was transcribed, translated and spoken.
    (spoken,) = (
        one for one in DOTTED if one.where.startswith("voxtrace-overview / Speech synthesis: duration")
    )
    trace = jaeger_trace(stack, min(shown[spoken.where]))
    to_console = [link for link in links if link.startswith(stack.console_url)]
    assert [web.get(link.replace("#{traceID}", trace.trace_id)).status_code for link in to_console] == [200]
    boards = {
        re.sub(r"^http://[^/]+/d/([^?]+).*", r"\1", link.replace("#{service.name}", span.service))
        for link in links
        if link not in to_console
        for span in trace.spans
    }
    assert boards == {
        f"voxtrace-{name}" for name in ("overview", "gateway", "asr", "translation", "synthesis")
    }
