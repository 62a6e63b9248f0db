"""Why a file could not be written, where a library does not say."""

from __future__ import annotations

from typing import IO, Any


class NotingFile:
    """Passes on what is written to a file, and keeps the error if the system refuses it.

    Args:
        file: Open for writing bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes and give their number.

        Raises:
            OSError: The system refuses; ``error`` keeps it.
        """
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Hand on what is buffered."""
        self.file.flush()
