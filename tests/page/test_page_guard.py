import pytest

starlette = pytest.importorskip('starlette')
pytest.importorskip('httpx')

from starlette.applications import Starlette  # noqa: E402
from starlette.responses import JSONResponse, PlainTextResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402
from starlette.testclient import TestClient  # noqa: E402

from irbox.page.guard import Guard  # noqa: E402
from irbox.page.limits import Limits  # noqa: E402


async def echo(request):
    return JSONResponse(await request.json())


async def hello(request):
    return PlainTextResponse('hello')


@pytest.fixture(scope='module')
def client():
    routes = [
        Route('/gradio_api/queue/join', echo, methods=['POST']),
        Route('/{path:path}', hello, methods=['GET', 'POST']),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(Guard, limits=Limits(bytes=2**16))
    return TestClient(app)


def test_a_browser_is_told_to_ask_no_other_host(client):
    answer = client.get('/')
    assert answer.text == 'hello'
    policy = answer.headers['content-security-policy']
    assert "default-src 'self'" in policy
    assert 'http' not in policy


def test_what_is_asked_comes_through(client):
    content = {'data': [{'path': 'uploads/a.jpg', 'more': ['http is a word']}]}
    assert client.post('/gradio_api/queue/join', json=content).json() == content


@pytest.mark.parametrize('address', ['http://a/b', ' HTTPS://a/b', '//a/b'])
def test_an_address_as_a_file(client, address):
    content = {'data': [[{'path': address, 'meta': {'_type': 'gradio.FileData'}}]]}
    answer = client.post('/gradio_api/queue/join', json=content)
    assert answer.status_code == 403
    assert 'upload the file itself' in answer.text


@pytest.mark.parametrize('path', ['file=http://a/b', 'file=https://a/b', 'proxy=http://a/b'])
def test_an_address_to_fetch(client, path):
    answer = client.get(f'/gradio_api/{path}')
    assert answer.status_code == 403
    assert 'no other host' in answer.text


def test_too_long(client):
    assert client.post('/gradio_api/queue/join', content=b'1' * (2**20 + 1)).status_code == 413
    answer = client.post('/restore', content=b'1' * (2**17 + 1))
    assert answer.status_code == 413
    assert 'this page takes 0 MiB a file' in answer.text


def test_without_a_length(client):
    answer = client.post('/restore', content=iter([b'1', b'2']))
    assert answer.status_code == 411
