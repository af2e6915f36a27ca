"""
How long a GPU worked on the stages of an operation.

A GPU is told what to do and does it later: a stage on the wall clock may be no
more than the telling. So events are put into its queue around each stage; what
they say is read when the operation is over, and nobody has waited for the GPU.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from voxtrace._guard import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voxtrace.stages.stage import Stage


class GpuClock:
    """The stages of one operation, on the device where its model lies."""

    def __init__(self, cuda: Any, device: Any) -> None:
        self._cuda = cuda
        self._device = device
        self._at_work: list[Stage] = []
        self._measured: list[tuple[Stage, Stage | None, Any, Any]] = []

    @classmethod
    def of(cls, model: Any) -> GpuClock | None:
        """Return a clock for the model, or None where it does not lie on a CUDA device of PyTorch."""
        device = getattr(model, "device", None)
        torch = sys.modules.get("torch")
        return cls(torch.cuda, device) if torch and getattr(device, "type", None) == "cuda" else None

    @contextmanager
    def timing(self, stage: Stage) -> Iterator[None]:
        """Put an event into the device's queue before the block's work, and one behind it."""
        outer = self._at_work[-1] if self._at_work else None
        self._at_work.append(stage)
        start = self._event()
        try:
            yield
        finally:
            self._at_work.pop()
            self._measured.append((stage, outer, start, self._event()))

    def seconds(self) -> dict[Stage, float]:
        """
        Return each stage's own time, without that of stages inside it, once the operation has its result.

        The result came from the device, so the last event has happened, or is about to.
        """
        found: dict[Stage, float] = {}
        if not self._measured or any(None in measured[2:] for measured in self._measured):
            return found
        self._measured[-1][-1].synchronize()
        for stage, outer, start, end in self._measured:
            lasted = start.elapsed_time(end) / 1000
            found[stage] = found.get(stage, 0.0) + lasted
            if outer is not None:
                found[outer] = found.get(outer, 0.0) - lasted
        return found

    def _event(self) -> Any:
        with guarded("time a GPU"):
            event = self._cuda.Event(enable_timing=True)
            event.record(self._cuda.current_stream(self._device))
            return event
        return None
