"""The arguments of every command, by what its parser knows of them: an answer, or one message."""

import argparse
import contextlib
import io
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import strategies as st

from irbox.commands.main import COMMANDS, command_parser, main
from irbox.commands.written_files import written_file
from irbox.config.command_line import OptionsAction, users_mistake
from irbox.config.load_config import load_config
from irbox.engine.train import train
from support.fuzz import fuzz
from support.paths import CONFIGS, ROOT, TINY
from support.picture_files import KINDS

TEXTS = (
    'x',
    '',
    '-1',
    '0',
    '1',
    '2',
    'nan',
    '0.5',
    '1e9',
    '1e308',
    '..',
    'all',
    '3,4',
    '8x8',
    '1,1,4,4',
    'a=b',
    'model=null',
    'train_cfg.max_iters=1',
    'x=3,4',
    '?',
)


NEW = ('new', 'new.png', 'new.csv', 'new.md', 'new.pth', 'new.onnx', 'none.yaml')
"""Names of what is not there."""


@pytest.fixture(scope='module')
def contents(tmp_path_factory):
    """What arguments may name, and a bad one of each: names and contents."""
    folder = tmp_path_factory.mktemp('trained')
    train(load_config(TINY, {'work_dir': str(folder), 'train_cfg.max_iters': 2}))
    # Its parts are where they were: the same file imported from two places would be refused.
    parts = TINY.with_name('tiny_parts.py')
    return {
        'a.png': KINDS['png-rgb8'](),
        'bad.png': KINDS['png-rgb8']()[:90],
        'text.txt': b'a: [b',
        'scores.csv': b'task,image,protocol,config,checkpoint_sha256,psnr\nrain,a,aio,c,d,30.5\n',
        'good.yaml': TINY.read_bytes().replace(b'[tiny_parts.py]', f'[{parts}]'.encode()),
        'bad.yaml': b'model: {type: Restorer, netwrok: 3}',
        'final.pth': (folder / 'final.pth').read_bytes(),
    }


@st.composite
def arguments(draw, parser, names):
    """Options that the parser knows, with values that fit their kind or not."""
    given = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        wanted = action.required or not action.option_strings
        if draw(st.integers(0, 19)) >= (19 if wanted else 2):
            continue
        if isinstance(action, argparse._SubParsersAction):
            name = draw(st.sampled_from([*action.choices, 'x']))
            further = action.choices.get(name)
            given += [name, *(draw(arguments(further, names)) if further else ())]
            continue
        given += action.option_strings[-1:]
        fitting = _fitting(action, names)
        words = st.sampled_from((*[fitting] * 7, TEXTS))
        many = {0: 0, None: 1, '?': 1, '+': 2, '*': 1}.get(action.nargs, action.nargs)
        for _ in range(many):
            given.append(draw(st.sampled_from(draw(words))))
    return given


def _fitting(action, names):
    """Words that an option takes; any text is often the name of a config or a model."""
    if action.choices:
        return list(map(str, action.choices))
    if isinstance(action, OptionsAction):
        return [text for text in TEXTS if '=' in text]
    if action.type in (None, Path, written_file):
        return names
    found = []
    for text in TEXTS:
        with contextlib.suppress(ValueError, argparse.ArgumentTypeError):
            action.type(text)
            found.append(text)
    return found or TEXTS


class _EnoughError(BaseException):
    """It works: nobody waits for the end."""


@contextlib.contextmanager
def _at_most(seconds):
    rung = []

    def stop(number, frame):
        rung.append(number)
        raise _EnoughError

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: one that comes while the interpreter calls something back is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _checkout():
    """When the files of tests and configs, the trees that configs are found in, were changed."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for folder in (ROOT / 'tests', CONFIGS)
        for path in folder.rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def _to_write(parser, given):
    """Names of the files that a command was asked to write."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found = vars(parser.parse_args(given))
    except SystemExit:
        return set()
    return {str(found[action.dest]) for action in parser._actions if action.type is written_file}


@pytest.mark.parametrize('name', sorted(COMMANDS))
def test_arguments(name, contents, tmp_path, monkeypatch):
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    # The page is made, and not served until somebody stops it.
    monkeypatch.setattr('irbox.page.serve.serve', lambda make, *where: make(tmp_path / 'page'))
    before, parser, folder = _checkout(), command_parser(name), tmp_path / 'here'

    def check(given):
        # Afresh: an earlier example may have written what it was asked to.
        shutil.rmtree(folder, ignore_errors=True)
        (folder / 'empty').mkdir(parents=True)
        monkeypatch.chdir(folder)
        for file, content in contents.items():
            (folder / file).write_bytes(content)
        run(given)
        changed = {one for one in contents if (folder / one).read_bytes() != contents[one]}
        assert '--overwrite' in given or changed <= _to_write(parser, given)

    def run(given):
        said, answer = io.StringIO(), io.TextIOWrapper(io.BytesIO())
        rung = []
        with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(said):
            try:
                with _at_most(3) as rung:
                    code = main([name, *given])
            except SystemExit as error:
                assert error.code == 2 and said.getvalue().startswith('Error: ')
            except _EnoughError:
                return
            except Exception as error:
                # An alarm in the midst of the interpreter's own work is an error of its own kind:
                # of ast.parse a SystemError, 'AST constructor recursion depth mismatch'.
                assert rung or users_mistake(error), error
            else:
                assert code in (None, 0, 1, 2)

    names = [*contents, 'empty', *NEW]
    fuzz(check, arguments(parser, names), examples=3)
    assert _checkout() == before
