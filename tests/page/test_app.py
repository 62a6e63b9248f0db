"""The page as programs see it, and what it does not do: ask others, leave files, tell of others."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

pytestmark = pytest.mark.slow

gradio_client = pytest.importorskip('gradio_client')


@pytest.fixture(scope='module')
def client(server, tmp_path_factory):
    return gradio_client.Client(
        server.url, verbose=False, download_files=tmp_path_factory.mktemp('fetched')
    )


def test_by_gradios_client(client, jpeg, by_command):
    path, report = client.predict(
        gradio_client.handle_file(jpeg),
        strength=0.5,
        degradations={'rain': 1},
        api_name='/restore',
    )
    assert os.path.basename(path) == 'a_restored.jpg'
    with open(path, 'rb') as file:
        assert file.read() == by_command(jpeg, '--strength', '0.5', '--task', 'rain')
    assert report['steered']['rain'] == 1
    assert set(report['degradations']) == {'haze', 'rain', 'noise'}
    assert client.predict(api_name='/models')['slow'] == ['haze', 'rain', 'noise']


def test_a_mistake_is_a_message(client, jpeg):
    with pytest.raises(gradio_client.exceptions.AppError, match="no model 'nope'"):
        client.predict(gradio_client.handle_file(jpeg), model='nope', api_name='/restore')


def test_only_what_is_documented_can_be_called(client):
    assert set(client.view_api(return_format='dict')['named_endpoints']) == {'/restore', '/models'}


def test_files_of_others_are_not_served(server, jpeg):
    visitor = server.desk.visitors.of('somebody')
    secret = visitor.folder / 'secret.png'
    secret.write_bytes(jpeg.read_bytes())
    folder = server.root / 'gradio'
    for path in (secret, visitor.folder, folder, jpeg, '/etc/passwd', f'{folder}/../desk/x'):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f'{server.url}/gradio_api/file={path}')
        assert error.value.code in (403, 404)


def test_what_the_page_loads_is_its_own(server):
    with urllib.request.urlopen(server.url) as answer:
        html = answer.read().decode()
        assert "default-src 'self'" in answer.headers['content-security-policy']
    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?://[^"]+)', html)
    assert not loaded
    with urllib.request.urlopen(f'{server.url}/theme.css') as answer:
        # Images inside of the sheet name the vocabulary of SVG, which nobody fetches.
        assert not re.findall(r'(?:url\(|@import\s)[\'"]?https?:', answer.read().decode())


ASKING = """
import ipaddress, sys
sys.path.insert(0, 'tests')
asked = []

def listen(event, arguments):
    if event == 'socket.getaddrinfo':
        asked.append(arguments[0])
    elif event == 'socket.connect' and isinstance(arguments[1], tuple):
        asked.append(arguments[1][0])

sys.addaudithook(listen)
from pathlib import Path
from irbox.page.serve import keep_to_itself
root = Path(sys.argv[1])
keep_to_itself(root)
from fastapi.testclient import TestClient
from irbox.page.app import build_app
from irbox.page.desk import Desk
from irbox.page.limits import Limits
from irbox.page.shelf import Shelf
from support.tiny_model import tiny_model
desk = Desk(Shelf(['tiny'], lambda *_: tiny_model(), 'cpu'), Limits(), root / 'desk')
with TestClient(build_app(desk)) as client:
    assert client.get('/').status_code == 200
    assert client.get('/config').status_code == 200
    picture = Path(sys.argv[2]).read_bytes()
    assert client.post('/restore', files={'file': ('a.jpg', picture)}).status_code == 200
print([one for one in asked if one not in ('127.0.0.1', '::1', 'localhost', None)])
"""


def test_the_process_asks_no_other_host(jpeg, tmp_path):
    done = subprocess.run(
        [sys.executable, '-c', ASKING, str(tmp_path), str(jpeg)], capture_output=True, text=True
    )
    assert done.stdout.split('\n')[-2] == '[]', done.stdout + done.stderr


def test_the_command_from_start_to_end(folders, jpeg, by_command, tmp_path):
    """It says where it is, restores, and takes its files with it when it is ended."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'irbox', 'ui', '--model', str(folders['tiny']), '--port', '0']
        + ['--device', 'cpu'],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {'TMPDIR': str(tmp_path)},
    )
    try:
        line = process.stderr.readline()
        url = re.search(r'http://127.0.0.1:\d+', line)
        assert url, line + process.stderr.read()
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f'{url[0]}/health')
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.1)
        assert [one.name for one in tmp_path.iterdir()]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.stderr.close()
    # torch's compiler has a folder there, for all programs and for good.
    assert not [one for one in tmp_path.iterdir() if not one.name.startswith('torchinductor')]
