"""One upload from end to end, and what its trace says."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from voxtrace_services.cli.backend import Backend
from voxtrace_services.cli.breakdown import breakdown
from voxtrace_services.cli.duration import readable
from voxtrace_services.cli.errors import TraceMissingError
from voxtrace_services.cli.gateway import Gateway, Upload
from voxtrace_services.cli.steps import Steps
from voxtrace_services.cli.table import red_table
from voxtrace_services.cli.waterfall import Waterfall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.console import Console

    from voxtrace_services.cli.trace import Trace

_UPLOAD_SECONDS = 900.0
# Spans leave their process in batches; the last ones arrive some seconds after the work.
_TRACE_SECONDS = 30.0
_LAST_SPAN = "process speech:events"
_MODEL_LOAD = "speech.model.load"
# RED looks back to before the upload, over a round time.
_WINDOW_STEP = 10.0
_ENTRY_KINDS = {"server", "consumer"}


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """
    Sends one recording through a running stack and draws what came of it.

    Attributes:
        addresses: base URLs of the stack's servers, by name.
        folder: where the spoken translation is put.
        results: where the results are drawn.
        progress: where the waiting is drawn.
    """

    addresses: Mapping[str, str]
    folder: Path
    results: Console
    progress: Console

    def run(self, recording: Path, *, target_language: str | None) -> str:
        """
        Send the recording, wait, draw, and return the id of the trace.

        Raises:
            CommandError: when the upload is refused or fails; what there is of its trace is drawn before.
        """
        begun = time.monotonic()
        gateway = Gateway(url=self.addresses["gateway"])
        console = Backend(name="console", url=self.addresses["console"])
        with Steps(self.progress) as steps:
            steps.begin("upload")
            receipt = gateway.send(recording, target_language=target_language)
            steps.finish("upload", f"{recording.name}, {receipt.upload_id}")
            upload = _follow(gateway, receipt.upload_id, steps)
            trace = None
            if receipt.trace_id is not None:
                steps.begin("trace")
                trace = console.settled_trace(receipt.trace_id, last=_LAST_SPAN, seconds=_TRACE_SECONDS)
                steps.finish("trace", "" if trace is None else f"{len(trace.spans)} spans")
        if upload.state == "completed":
            self._say(gateway, upload, recording)
        if trace is None:
            upload.require_completed()
            raise TraceMissingError(
                f"The upload went through, but no spans of trace {receipt.trace_id} have arrived at "
                f"{console.url}: see the logs in {self.folder.parent / 'logs'}."
            )
        self._draw(trace, console, begun=begun)
        upload.require_completed()
        return trace.trace_id

    def _say(self, gateway: Gateway, upload: Upload, recording: Path) -> None:
        """Print what was heard and translated, and put what was spoken where it can be played."""
        spoken = self.folder / f"{recording.stem}.{upload.target_language}.wav"
        spoken.parent.mkdir(parents=True, exist_ok=True)
        spoken.write_bytes(gateway.speech(upload.upload_id))
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        length = "" if upload.audio_duration is None else f", {readable(upload.audio_duration)} of audio"
        grid.add_row("Recording", Text(recording.name + length))
        grid.add_row("Transcript", _text(gateway, upload, "transcript"))
        grid.add_row("Translation", _text(gateway, upload, "translation"))
        grid.add_row("Spoken", Text(_near(spoken)))
        self.results.print()
        self.results.print(grid)

    def _draw(self, trace: Trace, console: Backend, *, begun: float) -> None:
        for drawn in (Waterfall(trace=trace), breakdown(trace)):
            self.results.print()
            self.results.print(drawn)
        for line in _cold_starts(console, trace):
            self.results.print(line)
        window = math.ceil((time.monotonic() - begun) / _WINDOW_STEP + 1) * _WINDOW_STEP
        rates = [rate for rate in console.rates(window) if rate.kind in _ENTRY_KINDS]
        self.results.print()
        self.results.print(red_table(rates, window=window))
        self.results.print()
        # It answers while the platform is up; /trace/<id> is a page that the Jaeger we build does not have.
        server = self.addresses.get("jaeger", console.url)
        self.results.print(f"[bold]This trace[/]  {server}/api/v3/traces/{trace.trace_id}", soft_wrap=True)


def _follow(gateway: Gateway, upload_id: str, steps: Steps) -> Upload:
    """Wait for the end, and tell each stage as it goes on and as it is done."""
    told: set[str] = set()
    for upload in gateway.follow(upload_id, seconds=_UPLOAD_SECONDS):
        for stage, state in upload.stages.items():
            if stage in told:
                continue
            if state == "pending":
                steps.begin(stage)
                break
            told.add(stage)
            (steps.finish if state == "done" else steps.fail)(stage)
    return upload


def _text(gateway: Gateway, upload: Upload, result: str) -> Text:
    text = gateway.text(upload.upload_id, result)
    return Text(text) if text.strip() else Text("(nothing: no speech was found)", style="dim")


def _cold_starts(console: Backend, trace: Trace) -> Iterator[Text]:
    """Tell how long the models took to load: that happened before the upload, in traces of their own."""
    for service in dict.fromkeys(span.service for span in trace.spans):
        for operation in console.operations(service):
            if operation.startswith(_MODEL_LOAD) and (load := console.newest(service, operation)):
                yield Text.assemble(
                    f"cold start         {readable(load.seconds)}",
                    (f"  {operation}, as {service} started", "dim"),
                )


def _near(path: Path) -> str:
    """Return a path as it is named from here, when that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)
