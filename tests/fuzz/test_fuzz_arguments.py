"""The arguments of every command, by what its parser knows of them: an answer, or one message."""

import argparse
import contextlib
import io
import os
import signal

import pytest
from hypothesis import strategies as st

from irbox.commands.main import COMMANDS, command_parser, main
from irbox.config.command_line import users_mistake
from irbox.config.load_config import load_config
from irbox.engine.train import train
from support.fuzz import fuzz
from support.paths import TINY
from support.picture_files import KINDS

# A page that serves until it is stopped.
NAMES = sorted(set(COMMANDS) - {'ui'})
TEXTS = (
    'x',
    '',
    '-1',
    '0',
    '1',
    '2',
    'nan',
    '1e9',
    '..',
    'all',
    '3,4',
    '8x8',
    '1,1,4,4',
    'a=b',
    '?',
)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """A folder of what arguments may name, and a bad one of each."""
    folder = tmp_path_factory.mktemp('files')
    train(load_config(TINY, {'work_dir': str(folder / 'run'), 'train_cfg.max_iters': 2}))
    (folder / 'a.png').write_bytes(KINDS['png-rgb8']())
    (folder / 'bad.png').write_bytes(KINDS['png-rgb8']()[:90])
    (folder / 'text.txt').write_text('a: [b')
    (folder / 'empty').mkdir()
    (folder / 'bad.yaml').write_text('model: {type: Restorer, netwrok: 3}')
    found = [
        'a.png',
        'bad.png',
        'text.txt',
        'empty',
        'bad.yaml',
        'run/final.pth',
        'none.pth',
        'new',
    ]
    return [str(folder / name) for name in found] + [str(TINY)]


@st.composite
def arguments(draw, name, files):
    """Options that the parser knows, with values that fit their kind or not."""
    words = st.one_of(st.sampled_from(files), st.sampled_from(TEXTS))
    given = []
    for action in command_parser(name)._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        wanted = action.required or not action.option_strings
        if not draw(st.integers(0, 9)) < (9 if wanted else 1):
            continue
        given += action.option_strings[-1:]
        many = {0: 0, None: 1, '?': 1, '+': 2, '*': 1}.get(action.nargs, action.nargs)
        for _ in range(many if isinstance(many, int) else 1):
            fitting = list(map(str, action.choices or ()))
            given.append(
                draw(st.sampled_from(fitting) if fitting and draw(st.booleans()) else words)
            )
    return given


class _EnoughError(BaseException):
    """It works: nobody waits for the end."""


@contextlib.contextmanager
def _at_most(seconds):
    def stop(number, frame):
        raise _EnoughError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize('name', NAMES)
def test_arguments(name, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')

    def check(given):
        said, answer = io.StringIO(), io.TextIOWrapper(io.BytesIO())
        with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(said):
            try:
                with _at_most(3):
                    code = main([name, *given])
            except SystemExit as error:
                assert error.code == 2 and said.getvalue().startswith('Error: ')
            except _EnoughError:
                return
            except Exception as error:
                message = users_mistake(error)
                assert message, error
            else:
                assert code in (None, 0, 1, 2)

    fuzz(check, arguments(name, files), examples=3)
    assert os.path.exists(files[0])
