"""What the command line tools share: options, and mistakes answered without a traceback."""

from __future__ import annotations

import linecache
import os
import re
import sys
import traceback
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import DictAction

import irbox
from irbox.config.yaml_handler import UniqueKeyLoader

USAGE_ERROR = 2
INTERRUPTED = 130
PACKAGE = Path(irbox.__file__).resolve().parent


class OptionsAction(DictAction):  # type: ignore[misc]  # mmengine has no types
    """mmengine's ``key=value`` options, with messages for what is malformed and spaces kept.

    ``null`` and mappings are read as in a YAML file, such as ``'router={type: PixelRouter}'``.

    Examples:
        >>> parser = ArgumentParser()
        >>> add_config_options(parser)
        >>> options = ['model.network.dim=24', 'router={type: PixelRouter}', 'seed=null']
        >>> parser.parse_args(['--cfg-options', *options]).cfg_options
        {'model.network.dim': 24, 'router': {'type': 'PixelRouter'}, 'seed': None}
    """

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Read ``key=value`` pairs into a dict."""
        options = dict(getattr(namespace, self.dest, None) or {})
        for pair in values:
            key, equals, text = pair.partition('=')
            if not equals or not key:
                parser.error(
                    f'{option_string} {pair}: write key=value, such as model.network.dim=24'
                )
            if text == 'null' or text.startswith('{'):
                options[key] = _from_yaml(parser, f'{option_string} {pair}', text)
                continue
            try:
                bare = text.strip('\'"')
                listed = ',' in bare or re.fullmatch(r'\s*(\[.*\]|\(.*\))\s*', bare)
                parse = self._parse_iterable if listed else self._parse_int_float_bool
                options[key] = parse(bare)
            except AssertionError as error:
                parser.error(f'{option_string} {pair}: {error}')
        setattr(namespace, self.dest, options)


def _from_yaml(parser: ArgumentParser, option: str, text: str) -> Any:
    try:
        return yaml.load(text, UniqueKeyLoader)
    except yaml.YAMLError:
        parser.error(f'{option}: this is no YAML, such as key=null or key={{type: PixelRouter}}')


def add_config_options(parser: ArgumentParser) -> None:
    """Add what every tool that reads a config understands."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='replace values of the config, such as model.network.dim=24 '
        'train_dataloader.batch_size=4',
    )


def whole_number(text: str) -> int:
    """Read a number of at least 1."""
    if not text.isdigit() or not int(text):
        raise ArgumentTypeError(f'{text!r}: give a number of at least 1')
    return int(text)


def width_by_height(text: str) -> tuple[int, int]:
    """Read ``WIDTHxHEIGHT``."""
    found = re.fullmatch(r'(\d+)x(\d+)', text)
    if not found or not int(found[1]) or not int(found[2]):
        raise ArgumentTypeError(f'{text!r}: write WIDTHxHEIGHT, such as 720x480')
    return int(found[1]), int(found[2])


def box_in_pixels(text: str) -> tuple[int, int, int, int]:
    """Read ``X,Y,WIDTH,HEIGHT``."""
    found = re.fullmatch(r'(\d+),(\d+),(\d+),(\d+)', text)
    if not found or not int(found[3]) or not int(found[4]):
        raise ArgumentTypeError(f'{text!r}: write X,Y,WIDTH,HEIGHT in pixels, such as 100,80,64,64')
    left, top, width, height = map(int, found.groups())
    return left, top, width, height


def run_tool(main: Callable[[], Any], interrupted: str = 'Interrupted.') -> None:
    """Run a tool's main function and leave the process with its exit code.

    0 after success; 2 and one message on stderr after a mistake of the user's, or the
    ``exit_code`` that the error carries (3 after a training that diverged); 130 when interrupted.
    Anything else is a bug and keeps its traceback. With ``IRBOX_DEBUG=1`` in the
    environment every error shows its traceback.

    Args:
        main: The tool; it may give an exit code.
        interrupted: What to say to somebody who interrupts it.
    """
    try:
        code = main()
    except KeyboardInterrupt:
        _say(interrupted, mistake=False)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away, as in `tool | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        message = users_mistake(error)
        if message is None:
            raise
        if os.environ.get('IRBOX_DEBUG', '0') not in ('', '0'):
            traceback.print_exc()
        _say(message)
        sys.exit(getattr(error, 'exit_code', USAGE_ERROR))
    if code:
        sys.exit(code)


def users_mistake(error: BaseException) -> str | None:
    """Give the message for an error that the user can mend, or None for a bug.

    The user's are: files and folders that cannot be used, packages that are missing, memory that
    does not suffice, a training that diverges, and every ValueError or ImportError that irbox
    raises on purpose. A ValueError out of a library in the middle of a computation is a bug.
    """
    text = str(error)
    if isinstance(error, (ValueError, ImportError, KeyError)):
        if 'Original Traceback' in text:  # from a data loader's worker process
            return _workers_message(text)
        missing = getattr(error, 'name', None)
        if isinstance(error, ModuleNotFoundError) and str(missing).split('.')[0] != 'irbox':
            return f'{text}. Install what is missing.'
        return text if _raised_on_purpose(error) else None
    if isinstance(error, FloatingPointError):
        return text
    if isinstance(error, OSError):
        return text
    if isinstance(error, MemoryError):
        return f'{text or "Out of memory"}. Lower the batch size, the patch size or num_workers.'
    if type(error).__name__ == 'OutOfMemoryError':
        first = text.split('. ')[0]
        return f'{first}. Lower train_dataloader.batch_size or the patch size, or use --amp.'
    return None


def _raised_on_purpose(error: BaseException) -> bool:
    """Tell whether the error comes from a ``raise`` statement of ours or of a plug-in."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and _is_ours(frames[-1].filename, frames[-1].lineno or 0)


def _is_ours(filename: str, line: int) -> bool:
    path = Path(filename).resolve()
    foreign = 'site-packages' in path.parts or path.is_relative_to(Path(os.__file__).parent)
    if foreign and not path.is_relative_to(PACKAGE):
        return False
    return linecache.getline(filename, line).strip().startswith('raise ')


def _workers_message(text: str) -> str | None:
    """Find the last line of a worker's traceback, if it was raised on purpose."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', text)
    lines = [line for line in text.splitlines() if line and not line.startswith(' ')]
    if not frames or not _is_ours(frames[-1][0], int(frames[-1][1])):
        return None
    return lines[-1].partition(': ')[2]


def _say(message: str, mistake: bool = True) -> None:
    """Print one message, from one of several processes as long as all do the same."""
    rank, number = os.environ.get('RANK', '0'), os.environ.get('WORLD_SIZE', '1')
    if not (rank.isdecimal() and number.isdecimal() and int(rank) < int(number)):
        rank = '0'  # nothing that starts processes set this
    distributed = sys.modules.get('torch.distributed')
    joined = distributed is not None and distributed.is_initialized()
    if rank != '0' and not joined:
        return
    process = f' in process {rank}' if rank != '0' else ''
    print(f'Error{process}: {message}' if mistake else message, file=sys.stderr)
