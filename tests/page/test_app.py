"""The page as programs see it, and what it does not do: ask others, leave files, tell of others."""

import os
import re
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
