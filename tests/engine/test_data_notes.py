import numpy as np
from PIL import Image
from torch.utils.data import DataLoader

from irbox.datasets import PairedImageDataset
from irbox.engine.data_notes import data_notes, training_warnings


class Plain:
    def __len__(self):
        return 1200


def write(folder, names):
    folder.mkdir(parents=True)
    for name in names:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / name)


def test_which_set_how_many_images_and_where(tmp_path):
    sources = {}
    for label, names in {'rain': ['1.png', '2.png'], 'haze': ['3.png']}.items():
        write(tmp_path / label / 'input', names)
        write(tmp_path / label / 'target', names)
        sources[label] = {'input': f'{label}/input', 'target': f'{label}/target'}
    both = PairedImageDataset(sources, data_root=str(tmp_path))
    rain = PairedImageDataset({'rain': sources['rain']}, data_root=str(tmp_path))
    loaders = {'both': DataLoader(both), 'alone': DataLoader(rain)}
    assert data_notes(loaders) == [
        f'both: 3 images (rain 2, haze 1) in {tmp_path}',
        f'alone: 2 images (rain 2) in {tmp_path}/rain/input',
    ]


def test_other_data_sets():
    assert training_warnings(Plain()) == []
    assert data_notes(DataLoader(Plain())) == ['One set: 1,200 images from Plain']
