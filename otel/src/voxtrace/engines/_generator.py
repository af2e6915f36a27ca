"""A generator of an engine, watched while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import wrapt

from voxtrace._guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from voxtrace.stages.operation import Operation


class TracedGenerator(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic in wrapt's stubs alone
    """
    The engine's own generator, whose work goes to the operation's span.

    To its caller it is that generator (type, `send`, `throw`, `close`, `gi_frame`).
    The span is current inside each step only; it ends with the last item, an
    exception, `close()`, or when the generator is dropped.
    """

    def __init__(
        self, generator: Any, operation: Operation, *, incomplete: str, add: Callable[[Any], None]
    ) -> None:
        """
        Watch a generator.

        Args:
            generator: What the engine returned.
            operation: Whose work it is.
            incomplete: The attribute that marks work whose caller did not read all of it.
            add: Called with each item.
        """
        super().__init__(generator)
        self._self_operation = operation
        self._self_incomplete = incomplete
        self._self_add = add

    def __iter__(self) -> TracedGenerator:
        return self

    def __next__(self) -> Any:
        return self._self_step(self.__wrapped__.__next__)

    def send(self, value: Any) -> Any:
        """Resume the generator with a value, as generators do."""
        return self._self_step(lambda: self.__wrapped__.send(value))

    def throw(self, *error: Any) -> Any:
        """Raise inside the generator, as generators do."""
        return self._self_step(lambda: self.__wrapped__.throw(*error))

    def close(self) -> None:
        """Close the generator; what was not read yet makes the operation incomplete."""
        try:
            self.__wrapped__.close()
        finally:
            self._self_operation.abandon(self._self_incomplete)

    def __del__(self) -> None:
        with guarded("end a dropped operation"):
            self._self_operation.abandon(self._self_incomplete)

    def _self_step(self, advance: Callable[[], Any]) -> Any:
        operation = self._self_operation
        # Two threads at once is the caller's mistake, and the engine's to report.
        if operation.ended or getattr(self.__wrapped__, "gi_running", False):
            return advance()
        try:
            with operation.working():
                item = advance()
        except StopIteration:
            operation.finish()
            raise
        except GeneratorExit:
            operation.abandon(self._self_incomplete)
            raise
        except BaseException as error:
            operation.finish(error)
            raise
        with guarded("count what a generator gave"):
            self._self_add(item)
        return item
