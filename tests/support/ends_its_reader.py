"""What ends the process that it is sent to, as a system that is out of memory does."""

import os


class EndsItsReader:
    """Ends, with code 9, the process that reads it from a pickle."""

    def __reduce__(self):
        return os._exit, (9,)
