"""Watches one training from a process of its own, which a hang cannot reach.

Run as a file: the training writes lines into its standard input, each the seconds within which the
next has to come (``inf``: none has to) and what is being done. Where none comes, the training is
told to write down where it stands (``TRACEBACKS``) and is killed. Seconds are counted while this
process runs and the training is not stopped: a machine that slept, or one that somebody holds with
SIGSTOP, does not hang.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

TICK = 0.5
# Seconds for the tracebacks to be written.
WRITING = 1.0
# None that schedulers send: those mean that a training shall end with a checkpoint.
TRACEBACKS = getattr(signal, 'SIGRTMIN', None) or getattr(signal, 'SIGINFO', None)


def main(process: int) -> None:
    """Watch a process until it ends, or hangs."""
    limit, doing, waited, rest = float('inf'), '', 0.0, b''
    source = sys.stdin.fileno()
    while True:
        if select.select([source], [], [], TICK)[0]:
            content = os.read(source, 65536)
            if not content:
                return  # it has ended
            *lines, rest = (rest + content).split(b'\n')
            if lines:
                first, _, doing = lines[-1].decode().partition(' ')
                limit, waited = float(first), 0.0
            continue
        if not _is_stopped(process):
            waited += TICK
        if waited > limit:
            print(
                f'ERROR: {doing}: nothing has happened for {waited:.0f} s, so it hangs and is '
                'ended. Where it stands is below; --resume goes on from the last checkpoint.',
                file=sys.stderr,
                flush=True,
            )
            if TRACEBACKS is not None:
                os.kill(process, TRACEBACKS)
            time.sleep(WRITING)
            os.kill(process, signal.SIGKILL)
            return


def _is_stopped(process: int) -> bool:
    """Tell whether a process is held by SIGSTOP or a debugger, as far as the system says so."""
    try:
        with open(f'/proc/{process}/stat', 'rb') as file:
            return file.read().rpartition(b') ')[2][:1] in (b'T', b't')
    except OSError:
        return False


if __name__ == '__main__':
    main(int(sys.argv[1]))
