"""What a person sees while a run goes on, beside the log file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console


def console() -> Console:
    """Give the terminal, wherever standard output goes at the moment."""
    return Console(soft_wrap=True, highlight=False, markup=False)


class DropMessages(logging.Filter):
    """Drops records about mmengine's own affairs, that no user can act upon."""

    TEXTS = (
        '"FileClient" will be deprecated',
        '"HardDiskBackend" is the alias',
        # Some hundred lines, the same for every run.
        'Hooks will be executed in the following order',
        'Distributed training is not used, all SyncBatchNorm',
    )

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to keep a record."""
        return not record.getMessage().startswith(self.TEXTS)


class ConsoleHandler(logging.Handler):
    """Warnings and errors on stderr, one line each, without disturbing a progress bar."""

    def __init__(self, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter('%(levelname)s: %(message)s'))

    @property
    def stream(self) -> TextIO:
        """Where records go; mmengine's MLflow back-end asks every handler of a log for it."""
        return sys.stderr

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        # Looked up anew each time: a running progress bar replaces the stream by its own.
        print(self.format(record), file=self.stream)


def quieten(logger: logging.Logger, keep_all: bool = False) -> None:
    """Let a logger print warnings only; its file keeps the rest, but for ``DropMessages``.

    mmengine prints hundreds of lines about the environment, the hooks and the config.
    """
    if not keep_all and not any(isinstance(one, DropMessages) for one in logger.filters):
        logger.addFilter(DropMessages())
    replaced = [
        handler
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
    ]
    for handler in replaced:
        logger.removeHandler(handler)
        level = max(handler.level, logging.WARNING)
        logger.addHandler(ConsoleHandler(level))


@contextmanager
def warnings_held() -> Iterator[None]:
    """Keep the current log's warnings until all went well; an error drops them, and says its own.

    For what refuses by the reasons that it, or a part of it, also warns of.
    """
    # A fifth of a second to import, which most users of this module do without.
    from mmengine.logging import MMLogger

    logger, held = MMLogger.get_current_instance(), list[logging.LogRecord]()

    def passes(record: logging.LogRecord) -> bool:
        if record.levelno == logging.WARNING:
            held.append(record)
        return record.levelno != logging.WARNING

    logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
    for record in held:
        logger.handle(record)
