"""A machine that does not let it: rights, full disks, streams that are closed."""

import os
import resource
import shutil
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

from support.wrong_ways.way import Way


@contextmanager
def full_disk():
    """A disk that says that it has 1 KiB left."""
    before = shutil.disk_usage
    shutil.disk_usage = lambda path: SimpleNamespace(total=1 << 20, used=1 << 20, free=1024)
    try:
        yield
    finally:
        shutil.disk_usage = before


@contextmanager
def small_files():
    """A system that ends files at 1 KiB, as a quota does: writing fails half way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def output(file):
    """Another standard output."""
    before, sys.stdout = sys.stdout, file
    try:
        yield
    finally:
        sys.stdout = before
        with suppress(OSError):
            file.close()


def to_full_device():
    return output(open('/dev/full', 'w'))


def to_nobody():
    read, write = os.pipe()
    os.close(read)
    return output(os.fdopen(write, 'w'))


@contextmanager
def no_pyarrow():
    """A machine without what writes tables."""
    name = 'pyarrow.parquet'
    before, sys.modules[name] = sys.modules.get(name), None
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


class Terminal:
    """A standard output that is a terminal."""

    def isatty(self):
        return True

    def close(self):
        pass


@contextmanager
def no_input():
    """A process whose standard input is closed."""
    before, sys.stdin = sys.stdin, None
    try:
        yield
    finally:
        sys.stdin = before


def closed(*paths, mode=0):
    """Take the rights to files and folders."""

    def prepare():
        for path in paths:
            Path(path).mkdir(exist_ok=True) if path == 'shut' else None
            os.chmod(path, mode)

    return prepare


MACHINE = [
    Way('restore a.png', ('0 MiB left', '--out'), within=full_disk, name='a full disk'),
    Way('restore a.png', ('a.png', 'File too large'), within=small_files, name='a quota'),
    Way(
        "restore a.png --suffix '' --overwrite",
        ('a.png', 'File too large'),
        within=small_files,
        name='a quota, over the input',
    ),
    Way(
        'restore a.png --out -',
        ('a.png', 'No space left'),
        within=to_full_device,
        name='> /dev/full',
    ),
    Way('restore a.png --out -', ('a.png', 'Broken pipe'), within=to_nobody, name='| true'),
    Way(
        'restore a.png --out -',
        ('terminal', '--out FILE'),
        within=lambda: output(Terminal()),
        name='to a terminal',
    ),
    Way('restore - --out new.png', ('standard input', 'closed'), within=no_input, name='<&-'),
    Way(
        'restore a.png --report r.parquet',
        ('--report r.parquet', 'pip install pyarrow'),
        within=no_pyarrow,
        name='a report without pyarrow',
    ),
    Way('restore a.png', ('a.png', 'permissions'), closed('a.png'), user=True, name='unreadable'),
    Way(
        'restore tree --recursive --out new',
        ('tree/deep', 'Permission denied', 'permissions'),
        closed('tree/deep'),
        user=True,
        name='a folder that is closed',
    ),
    Way(
        'restore a.png --out shut',
        ('shut', 'cannot be written', 'Choose another'),
        closed('shut', mode=0o555),
        user=True,
        name='--out that is closed',
    ),
    Way(
        'restore a.png --out shut/deep/new',
        ('shut', 'cannot be written', 'Choose another'),
        closed('shut', mode=0o555),
        user=True,
        name='--out below a folder that is closed',
    ),
    Way(
        'restore tree',
        ('tree', 'cannot be written', 'Choose another'),
        closed('tree', mode=0o555),
        user=True,
        name='inputs on a disk that is read only',
    ),
    Way(
        'restore a.png --report shut/r.json',
        ('--report shut/r.json', 'cannot be written'),
        closed('shut', mode=0o555),
        user=True,
        name='--report in a folder that is closed',
    ),
    Way(
        'restore a.png',
        ('model', 'Permission denied'),
        closed('model/model.safetensors'),
        user=True,
        name='a model that is closed',
    ),
    Way(
        'restore a.png --mask mask.png',
        ('mask.png', 'Permission denied'),
        closed('mask.png'),
        user=True,
        name='a mask that is closed',
    ),
]
