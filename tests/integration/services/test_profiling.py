"""A real worker that profiles itself while it works."""

from __future__ import annotations

import threading
from typing import Any

import httpx

from integration.services.workers import Site, Worker, until
from voxtrace_services.core.messages import TranscribeRequest

NULL = {"asr_engine": "null", "null_engine_seconds": "3"}


def _profile(worker: Worker, seconds: str) -> httpx.Response:
    url = f"http://127.0.0.1:{worker.port}/profile"
    return httpx.post(url, params={"seconds": seconds}, timeout=60, trust_env=False)


def _job(site: Site, name: str) -> None:
    site.store.write(f"{name}/audio", b"sound")
    site.send(
        TranscribeRequest(job_id=name, audio=f"{name}/audio", target_language="es").outgoing("transcribe")
    )


def test_the_engine_is_what_is_sampled(site: Site) -> None:
    """A profile shorter than the engine's run shows the engine, in whose thread it works, and its trace."""
    worker = site.start("asr", **NULL)
    _job(site, "profiled")
    until(lambda: site.waiting("transcribe") == 0)
    body: dict[str, Any] = _profile(worker, "0.5").json()
    while not body["samples"]:
        body = _profile(worker, "0.5").json()
    assert "NullTranscriber.transcribe" in body["text"]
    assert len(body["traces"]) == 1
    page = site.folder / "artifacts" / f"profile-{body['id']}" / "report.html"
    assert body["traces"][0] in page.read_text()
    site.take("translate")
    done = [line for line in worker.lines() if line["event"] == "done"]
    assert [line["attempt"] for line in done] == [1]
    assert done[0]["trace_id"] == body["traces"][0]


def test_health_answers_meanwhile(site: Site) -> None:
    """While a worker profiles itself it answers for its health, and refuses another profile."""
    worker = site.start("asr", **NULL)
    answers: list[httpx.Response] = []

    def profile() -> None:
        # One of the short ones below may be at work as this one comes.
        while (answer := _profile(worker, "2")).status_code == 409:
            continue
        answers.append(answer)

    thread = threading.Thread(target=profile)
    thread.start()
    until(lambda: _profile(worker, "0.01").status_code == 409)
    assert worker.health()["status"] == "ok"
    thread.join()
    assert (answers[0].status_code, answers[0].json()["samples"]) == (200, 0)


def test_profiling_switched_off(site: Site) -> None:
    """With the setting off it is a typed refusal."""
    worker = site.start("asr", profiling="off", **NULL)
    answer = _profile(worker, "0.1")
    assert (answer.status_code, answer.json()["code"]) == (403, "profiling_forbidden")
