"""Files from addresses, by a server of the test's own: whole, checked, gone on with."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from irbox.utils import download
from irbox.utils.download import fetch, is_address, place_of

DATA = bytes(range(256)) * 3000
SUM = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        begin = re.match(r'bytes=(\d+)-', self.headers.get('Range', ''))
        start = int(begin[1]) if begin and server.resumes else 0
        server.asked.append((self.path, start))
        if self.path != '/model.ckpt':
            self.send_error(404)
            return
        rest = server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(rest)))
        if start:
            total = len(server.data)
            self.send_header('Content-Range', f'bytes {start}-{total - 1}/{total}')
        self.end_headers()
        sent = rest[: server.cut] if server.cut and not start else rest
        self.wfile.write(sent)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as found:
        found.data, found.resumes, found.cut, found.asked = DATA, True, None, []
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        found.address = f'http://127.0.0.1:{found.server_address[1]}/model.ckpt'
        yield found
        found.shutdown()


@pytest.fixture(autouse=True)
def _online(monkeypatch):
    monkeypatch.delenv('HF_HUB_OFFLINE', raising=False)
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'):
        monkeypatch.delenv(name, raising=False)


def test_fetched_once_and_kept(server, tmp_path):
    path = fetch(f'{server.address}#sha256={SUM}', tmp_path)
    assert path.read_bytes() == DATA and path.name == 'model.ckpt'
    assert fetch(server.address, tmp_path, SUM.upper()) == path
    assert fetch(server.address, tmp_path, offline=True) == path
    assert server.asked == [('/model.ckpt', 0)]
    assert sorted(one.name for one in path.parent.iterdir()) == ['.lock', 'model.ckpt']


def test_files_of_one_name_are_kept_apart(tmp_path):
    one, other = (place_of(f'https://{host}/a/model.ckpt', tmp_path) for host in ('a.org', 'b.org'))
    assert one != other and one.name == other.name


@pytest.mark.parametrize('resumes', [True, False])
def test_what_was_begun_is_gone_on_with(server, tmp_path, resumes):
    server.resumes = resumes
    place = place_of(server.address, tmp_path)
    place.parent.mkdir()
    place.with_name('model.ckpt.part').write_bytes(DATA[:1000])
    assert fetch(server.address, tmp_path, SUM).read_bytes() == DATA
    assert server.asked == [('/model.ckpt', 1000 if resumes else 0)]


def test_a_connection_that_breaks_off_is_taken_up(server, tmp_path, monkeypatch):
    from huggingface_hub import constants

    # What it writes at a time, and does not ask for again: of large files 10 MB.
    monkeypatch.setattr(constants, 'DOWNLOAD_CHUNK_SIZE', 1000)
    server.cut = 5000
    assert fetch(server.address, tmp_path, SUM).read_bytes() == DATA
    assert [start for _, start in server.asked] == [0, 5000]


def test_what_is_whole_but_unnamed_is_not_fetched_again(server, tmp_path):
    place = place_of(server.address, tmp_path)
    place.parent.mkdir()
    place.with_name('model.ckpt.part').write_bytes(DATA)
    assert fetch(server.address, tmp_path, SUM) == place and not server.asked


def test_without_a_sum_it_begins_anew(server, tmp_path):
    place = place_of(server.address, tmp_path)
    place.parent.mkdir()
    place.with_name('model.ckpt.part').write_bytes(b'of another file')
    assert fetch(server.address, tmp_path).read_bytes() == DATA
    assert server.asked == [('/model.ckpt', 0)]


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    server.data = b'a web page'
    with pytest.raises(ValueError, match=f'another file.*not {SUM}.*by hand'):
        fetch(server.address, tmp_path, SUM)
    assert not place_of(server.address, tmp_path).exists()
    server.data = DATA
    path = fetch(server.address, tmp_path, SUM)
    path.write_bytes(b'spoilt')
    with pytest.raises(ValueError, match='Remove it, and it is fetched anew'):
        fetch(server.address, tmp_path, SUM)


def test_messages_say_where_to_put_it_by_hand(server, tmp_path, monkeypatch):
    place = place_of(server.address, tmp_path)
    with pytest.raises(FileNotFoundError, match=f'--offline forbids.*put it to {place}'):
        fetch(server.address, tmp_path, offline=True)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    with pytest.raises(FileNotFoundError, match='HF_HUB_OFFLINE forbids'):
        fetch(server.address, tmp_path)
    monkeypatch.delenv('HF_HUB_OFFLINE')
    gone = server.address.replace('model', 'gone')
    with pytest.raises(ConnectionError, match=rf'{gone} could not be fetched.*404.*by hand'):
        fetch(gone, tmp_path)
    place.parent.mkdir()
    place.write_bytes(DATA)
    assert fetch(server.address, tmp_path, SUM, offline=True) == place


def test_the_proxy_of_the_environment_is_asked(server, tmp_path, monkeypatch):
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header('Content-Length', '3')
            self.end_headers()
            self.wfile.write(b'abc')

        def log_message(self, *arguments):
            pass

    from huggingface_hub.utils import close_session

    with ThreadingHTTPServer(('127.0.0.1', 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{proxy.server_address[1]}')
        monkeypatch.setenv('no_proxy', '')
        close_session()  # it read the variables when it was opened
        try:
            path = fetch('http://models.example/a.pth', tmp_path)
        finally:
            close_session()
            proxy.shutdown()
    assert path.read_bytes() == b'abc' and asked == ['http://models.example/a.pth']


def test_a_file_of_this_machine_is_used_where_it_lies(tmp_path):
    path = tmp_path / 'a b.pth'
    path.write_bytes(DATA)
    assert fetch(f'{path.as_uri()}#sha256={SUM}', tmp_path / 'cache') == path
    with pytest.raises(ValueError, match='another file'):
        fetch(path.as_uri(), tmp_path, '0' * 64)
    with pytest.raises(FileNotFoundError, match='there is no file'):
        fetch((tmp_path / 'none.pth').as_uri(), tmp_path)
    with pytest.raises(ValueError, match='sha256= and 64'):
        fetch(f'{path.as_uri()}#md5=1', tmp_path)


def test_addresses_and_the_cache_folder(monkeypatch, tmp_path):
    assert is_address('https://a.org/b') and is_address('FILE:///b') and not is_address('a/b.pth')
    assert not is_address('ftp://a.org/b') and not is_address('https')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    assert download.cache_folder() == tmp_path / 'irbox'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert download.cache_folder() == tmp_path / '.cache' / 'irbox'
