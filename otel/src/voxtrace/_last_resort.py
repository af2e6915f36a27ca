"""What a program that never set up logging prints to stderr, it still prints."""

import logging

__all__ = ["keep"]


def keep(handler: logging.Handler) -> None:
    """
    Let `logging.lastResort` print what reaches no handler but this one of ours.

    Python prints warnings by itself only where it finds no handler at all: one that
    exports records would make an application fall silent that was heard before.
    """
    handler.addFilter(_LastResort(handler))


class _LastResort:
    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and self._is_alone(record.name):
            last.handle(record)
        return True

    def _is_alone(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self._handler for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True
