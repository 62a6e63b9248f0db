"""Files of weights: read without running code, written whole, told apart, compared with a network.

Nothing else in irbox reads or writes weights; ``tests/test_bricks.py`` sees to it.
"""

from __future__ import annotations

import _codecs
import errno
import hashlib
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from irbox.utils.archive import check_archive
from irbox.utils.files import atomic_write
from irbox.utils.noting_file import NotingFile

_CONVERT = (
    'Convert it where you trust it: load it there and save its state dict with '
    'safetensors.torch.save_file.'
)
# What begins a file of torch.save: a zip archive, or in old versions a number near the start.
_ZIP = b'PK'
_OLD = torch.serialization.MAGIC_NUMBER.to_bytes(10, 'little')
_NUMPY_SCALAR = np.float64(0).__reduce__()[0]
# What reads a number of numpy and cannot harm, under the module names of numpy 1 and 2.
_NUMBERS = f'?{np.typecodes["AllInteger"]}{np.typecodes["AllFloat"]}'
_HARMLESS: list[Any] = [
    (_NUMPY_SCALAR, 'numpy.core.multiarray.scalar'),
    (_NUMPY_SCALAR, 'numpy._core.multiarray.scalar'),
    np.dtype,
    *{type(np.dtype(code)) for code in _NUMBERS},
    _codecs.encode,
]


def check_file(path: str | Path, what: str = 'Checkpoint') -> Path:
    """Give the path of a file that is there, or say that it is not.

    Raises:
        FileNotFoundError: There is no such file, or it is a folder.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        problem = 'is a folder, not a file' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'{what} {path} {problem}.')
    return path


def read_weights(
    path: str | Path,
    device: Any = 'cpu',
    *,
    what: str = 'Checkpoint',
    mapped: bool = False,
    numpy_scalars: bool = False,
    trust_pickle: bool = False,
    remedy: str = _CONVERT,
) -> Any:
    """Read what a file of weights holds, without running any of it.

    Args:
        path: A ``.safetensors`` file, or what ``torch.save`` wrote.
        device: Where the tensors go; ``'meta'`` for their names and shapes alone.
        what: What the file is; messages begin with it.
        mapped: Leave tensors on the disk until they are used: before anybody changes the file.
        numpy_scalars: Also accept numpy's numbers, which other people's training states hold.
        trust_pickle: Let the file run code of its own. It can then do anything.
        remedy: What to do about a file that is refused.

    Returns:
        The content: a dict of tensors, or whatever was saved.

    Raises:
        FileNotFoundError: There is no such file, or it is a folder.
        ValueError: It is damaged, or reading it could run code.
    """
    path = check_file(path, what)
    name = f'{what} {path}'
    try:
        if path.suffix == '.safetensors':
            return {key: tensor.to(device) for key, tensor in load_file(path).items()}
        with open(path, 'rb') as file:
            start = file.read(32)
        if not start.startswith(_ZIP) and _OLD not in start:
            raise EOFError('it is empty' if not start else 'it begins like no such file')
        archive = zipfile.is_zipfile(path)
        if archive:
            check_archive(path, whole=not mapped and str(device) != 'meta')
        with torch.serialization.safe_globals(_HARMLESS) if numpy_scalars else nullcontext():
            return torch.load(
                path,
                map_location=device,
                weights_only=not trust_pickle,
                mmap=mapped and archive,
            )
    except (PermissionError, ImportError, MemoryError, torch.OutOfMemoryError):
        raise  # the file is not to blame
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # it ends too early
            raise _damaged(name, error) from error
        raise
    except pickle.UnpicklingError as error:
        raise ValueError(
            f'{name} is refused: reading it could run code from the file ({_what_for(error)}). '
            f'{remedy}'
        ) from error
    except Exception as error:
        raise _damaged(name, error) from error


def state_dict_of(
    content: Any, path: str | Path, keys: Sequence[str] = ('state_dict',), what: str = 'Checkpoint'
) -> Mapping[str, Tensor]:
    """Find the state dict in the content of a file.

    Args:
        content: As ``read_weights`` gives it.
        path: Where it comes from, for the message.
        keys: What may hold the state dict; the first that does counts. Without any, the content
            itself is one if it holds tensors alone.
        what: What the file is, for the message.

    Raises:
        ValueError: There is none.
    """
    held = f'a {type(content).__name__}'
    if isinstance(content, Mapping):
        nested = [content[key] for key in keys if isinstance(content.get(key), Mapping)]
        found = nested[0] if nested else content
        strangers = [key for key, value in found.items() if not isinstance(value, Tensor)]
        if not strangers and (nested or content):
            return found
        held = few(strangers) or 'nothing'
    raise ValueError(f'{what} {path} holds no state dict (tensors by name) but {held}.')


def read_state_dict(path: str | Path, what: str = 'Checkpoint', **how: Any) -> dict[str, Tensor]:
    """Read the tensors of a file under their names there, without a leading ``module.``.

    Args:
        path: As for ``read_weights``; the state dict, bare or under ``state_dict``.
        what: What the file is; messages begin with it.
        how: As for ``read_weights``.

    Raises:
        FileNotFoundError, ValueError: As ``read_weights`` and ``state_dict_of``.
    """
    found = state_dict_of(read_weights(path, what=what, **how), path, what=what)
    return {bare_name(key): tensor for key, tensor in found.items()}


def write_weights(content: Mapping[str, Any], path: str | Path) -> None:
    """Write tensors and plain values by ``torch.save``; the file appears whole or not at all.

    Raises:
        OSError: The disk is full, or does not take it for another reason.
    """
    with atomic_write(path) as file:
        noting: Any = NotingFile(file)
        try:
            torch.save(content, noting)
        except RuntimeError as error:
            if noting.error is None:
                raise
            raise noting.error from error


def write_safetensors(
    tensors: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as safetensors; the file appears whole or not at all.

    Args:
        tensors: By name, each with memory of its own.
        path: A name that ends in ``.safetensors``.
        metadata: What the file says of itself.
    """
    content = {key: tensor.contiguous() for key, tensor in tensors.items()}
    with atomic_write(path) as file:
        # Not save_file: its files can be read by nobody but their owner.
        file.write(save(content, dict(metadata) if metadata else None))


def misfits(
    own: Mapping[str, Any],
    given: Mapping[str, Any],
    shape_of: Callable[[Any], tuple[int, ...]] | None = None,
    twice: Iterable[str] = (),
) -> str:
    """Say what of given weights does not fit a network.

    Args:
        own: The network's state dict; tensors on the meta device will do.
        given: The weights that it should take.
        shape_of: What of two tensors must be equal; by default the shape as it is.
        twice: Names that the file has more than once.

    Returns:
        Each fault with its number and its first few names, such as ``'1 missing (a); 1 of another
        shape (b (3,) instead of (4,))'``; an empty text where all fit.
    """
    compared = shape_of or _shape
    faults = {
        'missing': [key for key in own if key not in given],
        'unknown': [key for key in given if key not in own],
        'listed twice': list(dict.fromkeys(twice)),
        'of another shape': [
            f'{key} {_shape(given[key])} instead of {_shape(own[key])}'
            for key in own
            if key in given and compared(given[key]) != compared(own[key])
        ],
        'of another kind': [
            f'{key} {_kind(given[key])} instead of {_kind(own[key])}'
            for key in own
            if key in given and '' != _kind(given[key]) != _kind(own[key]) != ''
        ],
    }
    return '; '.join(
        f'{len(names)} {fault} ({few(names)})' for fault, names in faults.items() if names
    )


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Compute the sha256 of names, shapes and values, in the order of the names.

    Weights that were converted to float32 have the same one whichever file they come from.
    """
    digest = hashlib.sha256()
    for key in sorted(tensors):
        tensor = tensors[key].detach().cpu().contiguous()
        digest.update(f'{key}{tuple(tensor.shape)}'.encode())
        # As bytes: numpy knows no bfloat16.
        digest.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """List the names of tensors that hold an infinity or what is no number."""
    given = {key: tensor for key, tensor in tensors.items() if tensor.is_floating_point()}
    # One pass at the speed of the memory; a norm may overflow, and then each is looked at.
    norms = torch._foreach_norm(list(given.values())) if given else []
    if all(norm.isfinite() for norm in norms):
        return []
    return [key for key, tensor in given.items() if not tensor.isfinite().all()]


def few(names: Iterable[Any]) -> str:
    """Give the first three names."""
    names = list(map(str, names))
    return ', '.join(names[:3]) + (', ...' if len(names) > 3 else '')


def bare_name(key: str) -> str:
    """Give a name without the prefix that wrappers for several processes put in front."""
    return key.removeprefix('module.')


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(getattr(value, 'shape', ()))


def _kind(value: Any) -> str:
    """Tell what numbers a tensor holds and whether it is a plain one; '' of what is no tensor."""
    dtype = getattr(value, 'dtype', None)
    if dtype is None:
        return ''
    if value.layout != torch.strided or value.is_quantized:
        return 'sparse or quantised'
    return 'complex' if dtype.is_complex else 'real' if dtype.is_floating_point else 'whole'


def _what_for(error: Exception) -> str:
    """Say what torch would not read, without its advice to read it all the same."""
    text = str(error)
    named = re.search(
        r'(?:GLOBAL|Unsupported (?:global|class):?)\s+(?:GLOBAL )?`?([\w.]+)', text
    ) or re.search(r"got <class '([\w.]+)'>", text)
    return f'it asks for {named[1]}' if named else 'it is no pickle of tensors and plain values'


def _damaged(name: str, error: Exception) -> ValueError:
    return ValueError(
        f'{name} is damaged or no file of weights ({_first_sentence(error)}). Get it anew: a '
        'download may have been cut short, or be a web page.'
    )


def _first_sentence(error: Exception) -> str:
    return re.split(r'[.\n]\s?', f'{error} ')[0].strip() or type(error).__name__
