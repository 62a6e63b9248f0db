"""The process behind a page: where it listens, and what goes with it when it ends."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from irbox.page.desk import Desk
from irbox.utils.optional import require

GRACE = 2
"""Seconds that open connections get when the process is ended."""


def is_loopback(host: str) -> bool:
    """Tell whether a host name is seen by this machine alone.

    Example:
        >>> is_loopback('127.0.0.1'), is_loopback('localhost'), is_loopback('0.0.0.0')
        (True, True, False)
    """
    if host == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Take an address.

    Raises:
        OSError: It is taken, or not of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            f'--host {host} --port {port}: {error.strerror or error}. Give another, such as '
            '--port 0 for any that is free.'
        ) from error


def address(host: str, port: int) -> str:
    """Give what is typed into a browser.

    Example:
        >>> address('::1', 80), address('0.0.0.0', 7860)
        ('http://[::1]:80', 'http://0.0.0.0:7860')
    """
    return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'


def serve(
    make_desk: Callable[[Path], Desk], host: str, port: int, say: Callable[[str], None]
) -> None:
    """Serve a page until the process is interrupted; its files go with it.

    Args:
        make_desk: From a folder for its files to a desk.
        host: Where to listen.
        port: Likewise; 0 is any that is free.
        say: Told where the page is, and who can see it.

    Raises:
        OSError: The address cannot be taken.
    """
    if threading.current_thread() is threading.main_thread():
        # Before there is a folder: one that is ended while it starts leaves none.
        signal.signal(signal.SIGTERM, _end)
    with (
        listen(host, port) as listening,
        tempfile.TemporaryDirectory(prefix='irbox-page-', ignore_cleanup_errors=True) as folder,
    ):
        keep_to_itself(Path(folder))
        # After that: Gradio reads its settings when it is imported.
        require('gradio', package="'irbox[ui]'", needed_by='The page')
        from irbox.page.app import build_app

        app = build_app(make_desk(Path(folder) / 'desk'))
        where = address(host, listening.getsockname()[1])
        say(f'irbox is at {where} (Ctrl-C ends it).')
        if not is_loopback(host):
            say(
                f'Not only this machine: whoever reaches {host} can use it. Nothing is encrypted, '
                'and nobody is asked for a password.'
            )
        config = uvicorn.Config(
            app,
            log_level='warning',
            timeout_graceful_shutdown=GRACE,
            ws='none',
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _end(number: int, frame: FrameType | None) -> None:
    # An exception, and not the end at once: the folder goes on the way out.
    sys.exit(128 + number)


def keep_to_itself(folder: Path) -> None:
    """Set for Gradio, before it is imported, that it tells nobody and keeps files in a folder."""
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
    os.environ['GRADIO_TEMP_DIR'] = str(folder / 'gradio')
    os.environ['GRADIO_CACHE_EXAMPLES'] = 'False'
    os.environ.setdefault('HF_HUB_DISABLE_TELEMETRY', '1')
