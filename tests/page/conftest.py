"""A page that runs, of a model that restores in milliseconds and one that takes its time."""

import threading
import time
from types import SimpleNamespace

import pytest

from irbox.commands.main import main
from irbox.page.desk import Desk
from irbox.page.limits import Limits
from irbox.page.shelf import Shelf
from irbox.restore.load import load
from support.tiny_model import photograph, routed_model, tiny_model

PAUSE = 0.1
LIMITS = Limits(bytes=2 * 2**20, pixels=200_000, pictures=3, waiting=2)


@pytest.fixture(scope='session')
def folders(tmp_path_factory):
    """Models as folders, as the command takes them."""
    root = tmp_path_factory.mktemp('models')
    return {
        'tiny': tiny_model().save(root / 'tiny'),
        'slow': tiny_model(1, 'slow').save(root / 'slow'),
        'routed': routed_model().save(root / 'routed'),
    }


@pytest.fixture(scope='session')
def shelf(folders):
    def open_model(name, device):
        model = load(name, device)
        if model.name == 'slow':
            model.network.register_forward_pre_hook(lambda *_: time.sleep(PAUSE))
        return model

    return Shelf([str(one) for one in folders.values()], open_model, 'cpu')


@pytest.fixture
def desk(shelf, tmp_path):
    return Desk(shelf, LIMITS, tmp_path / 'desk')


@pytest.fixture(scope='session')
def jpeg(tmp_path_factory):
    """A photograph as a file."""
    path = tmp_path_factory.mktemp('given') / 'a.jpg'
    photograph(120, 80).save(path, quality=90)
    return path


@pytest.fixture(scope='session')
def by_command(folders, tmp_path_factory):
    """What the command writes of a file."""

    def restore(path, *options, model='tiny'):
        out = tmp_path_factory.mktemp('command')
        assert (
            main(
                [
                    'restore',
                    str(path),
                    '--model',
                    str(folders[model]),
                    '--out',
                    str(out),
                    '--device',
                    'cpu',
                    *options,
                ]
            )
            == 0
        )
        return next(out.iterdir()).read_bytes()

    return restore


@pytest.fixture(scope='session')
def server(shelf, tmp_path_factory):
    """A page at an address of its own; ``url`` and ``desk``."""
    uvicorn = pytest.importorskip('uvicorn')
    pytest.importorskip('gradio')
    from irbox.page.serve import keep_to_itself, listen

    root = tmp_path_factory.mktemp('page')
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            'GRADIO_ANALYTICS_ENABLED',
            'GRADIO_TEMP_DIR',
            'HF_HUB_DISABLE_TELEMETRY',
            'GRADIO_CACHE_EXAMPLES',
        ):
            patch.setenv(name, '')
        keep_to_itself(root)
        from irbox.page.app import build_app

        desk = Desk(shelf, LIMITS, root / 'desk')
        running = uvicorn.Server(
            uvicorn.Config(build_app(desk), log_level='warning', timeout_graceful_shutdown=1)
        )
        with listen('127.0.0.1', 0) as listening:
            thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
            thread.start()
            until = time.monotonic() + 60
            while not running.started and time.monotonic() < until:
                time.sleep(0.05)
            assert running.started
            yield SimpleNamespace(
                url=f'http://127.0.0.1:{listening.getsockname()[1]}', desk=desk, root=root
            )
            running.should_exit = True
            thread.join(20)
