"""Checkpoints and weights whose bytes, entries and fields are others: read, or the one message."""

import io
import json
import struct
import zipfile

import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import save

from irbox.config.load_config import load_config
from irbox.engine.checkpoint import read_checkpoint
from irbox.engine.train import train
from irbox.engine.training_state import check_resumable
from irbox.restore.load import load
from irbox.utils.weights import read_state_dict, read_weights
from support.fuzz import Content, changed, damaged, fuzz, odd_values
from support.paths import TINY


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    train(load_config(TINY, {'work_dir': str(folder), 'train_cfg.max_iters': 2}))
    return folder / 'iter_2.pth'


def tensors():
    return {'a.weight': torch.arange(6.0).reshape(2, 3), 'b': torch.ones(4, dtype=torch.int64)}


def saved(content, **options):
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def read_all(path):
    """Through every reader of weights."""
    for read in (read_weights, read_state_dict, read_checkpoint, load):
        try:
            read(path)
        except ValueError as error:
            assert path.name in str(error) and 'weights_only' not in str(error), error


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_bytes(suffix, whole, tmp_path):
    path = tmp_path / f'a{suffix}'
    files = [save(tensors(), {'note': 'x'})]
    if suffix == '.pth':
        old = saved(tensors(), _use_new_zipfile_serialization=False)
        files = [whole.read_bytes(), saved(tensors()), old]

    def check(content):
        path.write_bytes(content)
        read_all(path)

    fuzz(check, damaged(files), examples=20)


@st.composite
def other_archives(draw, content):
    """The same entries, or not: left out, twice, packed, renamed, with other content."""
    source = zipfile.ZipFile(io.BytesIO(content))
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        for entry in source.namelist():
            held, name = source.read(entry), entry
            match draw(
                st.sampled_from(('as is',) * 6 + ('out', 'twice', 'name', 'bytes', 'packed'))
            ):
                case 'out':
                    continue
                case 'twice':
                    archive.writestr(name, held)
                case 'name':
                    name = draw(st.sampled_from(('/x', '../x', 'archive/data.pkl', ' ', 'a\\b')))
                case 'bytes':
                    held = draw(damaged([held])) if held else b'x'
                case 'packed':
                    archive.writestr(name, held, zipfile.ZIP_DEFLATED)
                    continue
            archive.writestr(name, held)
    return Content(file.getvalue())


@pytest.mark.filterwarnings('ignore:Duplicate name:UserWarning')
def test_entries(whole, tmp_path):
    def check(content):
        (tmp_path / 'a.pth').write_bytes(content)
        read_all(tmp_path / 'a.pth')

    fuzz(check, other_archives(Content(whole.read_bytes())), examples=30)


@st.composite
def other_headers(draw):
    """A safetensors file whose header says something else."""
    content = save(tensors(), {'note': 'x'})
    length = struct.unpack('<Q', content[:8])[0]
    header = draw(changed(json.loads(content[8 : 8 + length])))
    text = json.dumps(header).encode(errors='surrogatepass')
    sizes = (len(text), len(text), len(text), 0, 1, 2**63, len(text) + 7)
    return Content(struct.pack('<Q', draw(st.sampled_from(sizes))) + text + content[8 + length :])


def test_headers(tmp_path):
    def check(content):
        (tmp_path / 'a.safetensors').write_bytes(content)
        read_all(tmp_path / 'a.safetensors')

    fuzz(check, other_headers(), examples=30)


def test_fields(whole, tmp_path):
    """Any field of a training's state."""
    content = torch.load(whole, weights_only=True)
    path = tmp_path / 'a.pth'

    def check(content):
        torch.save(content, path)
        try:
            found = read_checkpoint(path)
            check_resumable(found, path, None)
        except ValueError as error:
            assert 'a.pth' in str(error), error

    fuzz(check, st.one_of(changed(content), odd_values), examples=30)
