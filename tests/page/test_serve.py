import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip('uvicorn')

from irbox.commands.main import main  # noqa: E402
from irbox.page.serve import address, is_loopback, listen  # noqa: E402


@pytest.mark.parametrize(
    ('host', 'own'),
    [('127.0.0.1', True), ('::1', True), ('localhost', True), ('0.0.0.0', False), ('a.b', False)],
)
def test_who_can_see_it(host, own):
    assert is_loopback(host) == own


def test_an_address_that_is_taken():
    with listen('127.0.0.1', 0) as first:
        port = first.getsockname()[1]
        assert address('127.0.0.1', port) == f'http://127.0.0.1:{port}'
        with pytest.raises(OSError, match=f'--port {port}: .*--port 0 for any that is free'):
            listen('127.0.0.1', port)


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        (['--max-upload', 'much'], "--max-upload much is no size, such as '200M'"),
        (['--model', ''], "--model '' names none"),
        (['--model', 'a,,b'], 'a name is missing beside a comma'),
        (['--model', 'nope'], "no file or folder 'nope'"),
        (['--model', 'a,b', '--config', 'c.py'], '--config goes with one model'),
    ],
)
def test_mistakes_are_said_before_anything_is_served(options, text, monkeypatch):
    for name in ('GRADIO_ANALYTICS_ENABLED', 'GRADIO_TEMP_DIR', 'HF_HUB_DISABLE_TELEMETRY'):
        monkeypatch.setenv(name, '')
    with pytest.raises(ValueError, match=text):
        main(['ui', '--port', '0', *options])


STARTING = """
import os, signal, sys
from irbox.page.serve import serve

def make_desk(folder):
    # Ended from outside while models are loaded.
    print(folder.parent, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    sys.exit('it went on')

serve(make_desk, '127.0.0.1', 0, print)
"""


@pytest.mark.slow
def test_ended_while_it_starts_it_leaves_no_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', STARTING],
        capture_output=True,
        text=True,
        env={**os.environ, 'TMPDIR': str(tmp_path)},
    )
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert done.stdout.startswith(str(tmp_path)) and not any(tmp_path.glob('irbox-page-*'))
