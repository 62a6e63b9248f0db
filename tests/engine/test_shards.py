import pytest
import torch
from safetensors.torch import save_file
from torch import distributed
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_saver import save

from irbox.engine.checkpoint import read_checkpoint, write_checkpoint
from irbox.engine.shards import folder_of
from irbox.engine.work_dir import newest_checkpoint

# It is a single process, as the message says.
pytestmark = pytest.mark.filterwarnings('ignore:torch.distributed is disabled')
WEIGHT = torch.arange(6.0).view(2, 3)


@pytest.fixture
def sharded(tmp_path):
    """A checkpoint with one tensor of the weights and one of the optimiser in shards."""
    path = tmp_path / 'iter_4.pth'
    tensors = {'state_dict/net.weight': WEIGHT, 'optimizer/state/0/exp_avg': WEIGHT + 1}
    save(
        tensors,
        storage_writer=HuggingFaceStorageWriter(str(folder_of(path)), save_distributed=True),
        no_dist=True,
    )
    sizes = {file.name: file.stat().st_size for file in folder_of(path).iterdir()}
    content = {
        'meta': {'iter': 4, 'seed': 0, 'run': 'a', 'shards': sizes},
        'state_dict': {},
        'optimizer': {'state': {0: {'step': torch.tensor(4.0)}}, 'param_groups': []},
    }
    write_checkpoint(content, path)
    return path


def test_reading_puts_the_parts_into_their_places(sharded):
    content = read_checkpoint(sharded)
    assert torch.equal(content['state_dict']['net.weight'], WEIGHT)
    assert torch.equal(content['optimizer']['state'][0]['exp_avg'], WEIGHT + 1)
    assert content['optimizer']['state'][0]['step'] == 4
    assert 'shards' not in content['meta']
    shapes = read_checkpoint(sharded, 'meta')['state_dict']['net.weight']
    assert shapes.is_meta and shapes.shape == WEIGHT.shape
    assert not distributed.is_initialized()


@pytest.mark.parametrize('harm', ['gone', 'cut'])
def test_a_part_that_is_not_whole_is_named_and_an_older_checkpoint_taken(sharded, harm):
    (file,) = folder_of(sharded).iterdir()
    if harm == 'gone':
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=rf'its part .*{file.name} is missing or cut off'):
        read_checkpoint(sharded)
    older = sharded.with_name('iter_2.pth')
    write_checkpoint({'meta': {'iter': 2, 'seed': 0, 'run': 'a'}, 'state_dict': {}}, older)
    assert newest_checkpoint(sharded.parent) == older


def test_names_that_lead_elsewhere_are_not_followed(sharded, tmp_path):
    save_file({'state_dict/net.weight': WEIGHT}, tmp_path / 'other.safetensors')
    content = torch.load(sharded, weights_only=True)
    content['meta']['shards'] = {
        '../other.safetensors': (tmp_path / 'other.safetensors').stat().st_size
    }
    write_checkpoint(content, sharded)
    with pytest.raises(ValueError, match='iter_4.shards/other.safetensors is missing'):
        read_checkpoint(sharded)
