import os
import resource
import subprocess
import sys

import pytest

import irbox

pytest.importorskip('fastapi')
pytest.importorskip('httpx')

from fastapi import FastAPI  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402

from irbox.page.routes import add_routes  # noqa: E402
from irbox.page.turns import Turns  # noqa: E402


@pytest.fixture
def client(desk):
    app = FastAPI()
    add_routes(app, desk)
    return TestClient(app)


def test_health(client):
    assert client.get('/health').json() == {
        'status': 'ok',
        'version': irbox.__version__,
        'models': ['tiny', 'slow', 'routed'],
        'device': 'cpu',
        'waiting': {},
    }


def test_bit_for_bit_and_nothing_is_left(client, desk, jpeg, by_command):
    form = {'strength': '0.5', 'task': ['rain', 'haze=0.5'], 'tile': '64'}
    answer = client.post('/restore', files={'file': jpeg.read_bytes()}, data=form)
    answer = client.post('/restore', files={'file': ('a.jpg', jpeg.read_bytes())}, data=form)
    assert answer.status_code == 200, answer.text
    told = ('--strength', '0.5', '--task', 'rain', '--task', 'haze=0.5', '--tile', '64')
    assert answer.content == by_command(jpeg, *told)
    assert answer.headers['content-type'] == 'image/jpeg'
    assert 'filename="a_restored.jpg"' in answer.headers['content-disposition']
    assert not list(desk.visitors.root.iterdir())


@pytest.mark.parametrize('name', ['..', '0', '../../a.jpg', 'given', 'grün 1.jpg', 'x'])
def test_names_of_every_kind(client, desk, jpeg, name):
    answer = client.post('/restore', files={'file': (name, jpeg.read_bytes())})
    assert answer.status_code == 200, answer.text
    assert not list(desk.visitors.root.iterdir())


@pytest.mark.parametrize(
    ('content', 'form', 'text'),
    [
        (b'no picture', {}, 'Picture a.jpg is damaged or no picture'),
        (b'', {}, 'Picture a.jpg is empty'),
        (None, {'model': 'nope'}, "no model 'nope'"),
        (None, {'task': 'rian'}, "no degradation 'rian'. Did you mean 'rain'"),
        (None, {'task': 'rain=much'}, 'rain=much'),
        (None, {'strength': '3'}, 'strength=3.0 must be a number from 0'),
        (None, {'tile': 'x'}, "Tile 'x'"),
    ],
)
def test_a_mistake_is_a_line(client, desk, jpeg, content, form, text):
    content = jpeg.read_bytes() if content is None else content
    answer = client.post('/restore', files={'file': ('a.jpg', content)}, data=form)
    assert answer.status_code == 400
    assert text in answer.text
    assert str(desk.visitors.root) not in answer.text
    assert answer.text.count('\n') == 1
    assert not list(desk.visitors.root.iterdir())


def test_too_many_wait(client, desk, jpeg):
    desk.turns = Turns(most_waiting=0)
    with desk.turns.turn('cpu'):
        answer = client.post('/restore', files={'file': ('a.jpg', jpeg.read_bytes())})
    assert answer.status_code == 503
    assert answer.text.endswith('Try again later.\n')


MANY = """
import gc, sys, resource
sys.path.insert(0, 'tests')
from pathlib import Path
from fastapi import FastAPI
from fastapi.testclient import TestClient
from irbox.page.desk import Desk
from irbox.page.limits import Limits
from irbox.page.routes import add_routes
from irbox.page.shelf import Shelf
from irbox.utils.keep_memory import release_kept_memory
from support.tiny_model import tiny_model

def held():
    # What the allocator has free is not lost.
    gc.collect()
    release_kept_memory()
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * resource.getpagesize()

app = FastAPI()
desk = Desk(Shelf(['tiny'], lambda *_: tiny_model(), 'cpu'), Limits(), Path(sys.argv[1]))
add_routes(app, desk)
client, picture = TestClient(app), Path(sys.argv[2]).read_bytes()

def ask(count):
    for _ in range(count):
        assert client.post('/restore', files={'file': ('a.jpg', picture)}).status_code == 200

ask(100)
grown = []
for _ in range(3):
    before = held()
    ask(int(sys.argv[3]) // 3)
    grown.append(held() - before)
# What is lost is lost in each third; what the allocator takes once, under load, is not.
print(3 * min(grown) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='memory is read as on Linux')
def test_memory_stays_flat(jpeg, tmp_path):
    """1,000 requests, after 100, hold less than 200 pictures of 28 KB, beyond what is free."""
    arguments = [str(tmp_path / 'desk'), str(jpeg), '1000']
    done = subprocess.run(
        [sys.executable, '-c', MANY, *arguments], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 5
    assert resource.getpagesize() > 0
