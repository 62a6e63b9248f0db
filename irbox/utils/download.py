"""Files from an address: fetched once, checked, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from irbox.utils.files import locked, rename
from irbox.utils.optional import require

SCHEMES = ('http', 'https', 'file')
_HASH = re.compile(r'sha256=([0-9a-fA-F]{64})')


def cache_folder() -> Path:
    """Name the folder of what is kept between runs: ``irbox`` in the user's cache folder."""
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache', 'irbox')


def is_address(text: str) -> bool:
    """Tell an address from a path: it begins with ``http://``, ``https://`` or ``file://``."""
    return text.partition('://')[0].lower() in SCHEMES and '://' in text


def offline_asked() -> bool:
    """Tell whether the environment forbids downloads: ``HF_HUB_OFFLINE``."""
    return os.environ.get('HF_HUB_OFFLINE', '').upper() in ('1', 'ON', 'YES', 'TRUE')


def place_of(address: str, folder: Path) -> Path:
    """Name where the file of an address is kept: by its own name, in a folder for each address."""
    bare = urlunsplit(urlsplit(address)._replace(fragment=''))
    name = Path(unquote(urlsplit(bare).path)).name or 'download'
    return folder / hashlib.sha256(bare.encode()).hexdigest()[:12] / name


def fetch(address: str, folder: Path, sha256: str | None = None, offline: bool = False) -> Path:
    """Give the file of an address, fetched where it is not here yet.

    Proxies are those of the environment (``https_proxy`` and its kin). What was begun and has a
    known sum is gone on with; a file is here only when it is whole.

    Args:
        address: ``http://``, ``https://`` or ``file://``; a file of this machine is used where it
            lies. ``#sha256=...`` behind it is the file's sum.
        folder: Where fetched files are kept, see ``place_of``.
        sha256: The file's sum, where the address does not say it.
        offline: Fetch nothing; ``HF_HUB_OFFLINE`` asks for the same.

    Raises:
        FileNotFoundError: It is not here, and nothing may be fetched.
        ValueError: The address is none, or the file has another sum.
        ConnectionError: It could not be fetched; the message says where to put it by hand.
    """
    parts = urlsplit(address)
    given = _HASH.fullmatch(parts.fragment)
    if parts.fragment and not given:
        raise ValueError(
            f'{address}: behind # stands sha256= and 64 hexadecimal digits, or nothing.'
        )
    sha256 = (given[1] if given else sha256 or '').lower()
    bare = urlunsplit(parts._replace(fragment=''))
    if parts.scheme.lower() == 'file':
        path = Path(url2pathname(parts.path))
        if not path.is_file():
            raise FileNotFoundError(f'{address}: there is no file {path}.')
        return _checked(path, sha256, 'Get it anew.')
    path = place_of(address, folder)
    if path.is_file():
        return _checked(path, sha256, 'Remove it, and it is fetched anew.')
    by_hand = f'Fetch it by hand and put it to {path}.'
    if offline or offline_asked():
        why = '--offline' if offline else 'HF_HUB_OFFLINE'
        raise FileNotFoundError(
            f'{bare} is not on this machine, and {why} forbids to fetch it. {by_hand}'
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / '.lock', wait=3600):
        if not path.is_file():  # or another process was first
            _download(bare, path, sha256, by_hand)
    return path


def _download(address: str, path: Path, sha256: str, by_hand: str) -> None:
    # Resuming, retries and proxies are the hub's code, which fetches from any server.
    hub = require('huggingface_hub.file_download', needed_by=f'Fetching {address}')
    part = path.with_name(f'{path.name}.part')
    with open(part, 'ab') as file:
        if not sha256:
            # What lies there may be of another file: nothing would tell.
            file.truncate(0)
        begun = file.seek(0, os.SEEK_END)
        if not (begun and _sum(part) == sha256):
            try:
                hub.http_get(address, file, resume_size=begun, displayed_filename=path.name)
            except Exception as error:  # those of two libraries for connections have no kin
                raise ConnectionError(
                    f'{address} could not be fetched ({_first_line(error)}). {by_hand}'
                ) from error
    try:
        _checked(part, sha256, f'It is not kept. {by_hand}')
    except ValueError:
        part.unlink()
        raise
    rename(part, path)


def _checked(path: Path, sha256: str, remedy: str) -> Path:
    if sha256 and (found := _sum(path)) != sha256:
        raise ValueError(
            f'{path} is another file than is meant: its sha256 is {found}, not {sha256}. {remedy}'
        )
    return path


def _sum(path: Path) -> str:
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return f'{type(error).__name__}: {lines[0]}' if lines else type(error).__name__
