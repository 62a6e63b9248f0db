import pytest
import torch

from irbox.layers.padding import pad_to_multiple


def test_pads_bottom_and_right_by_reflection():
    image = torch.arange(6.0).view(1, 1, 2, 3)
    assert pad_to_multiple(image, 4)[0, 0].tolist() == [
        [0, 1, 2, 2],  # two rows are too few to reflect two
        [3, 4, 5, 5],
        [3, 4, 5, 5],
        [3, 4, 5, 5],
    ]
    assert pad_to_multiple(image.mT, 4)[0, 0].tolist()[2:] == [[2, 5, 5, 5], [2, 5, 5, 5]]
    large = torch.arange(15.0).view(1, 1, 3, 5)
    assert pad_to_multiple(large, 4)[0, 0, 3].tolist() == [5, 6, 7, 8, 9, 8, 7, 6]


@pytest.mark.parametrize('size', [(8, 16), (8, 8)])
def test_leaves_what_fits_alone(size):
    image = torch.rand(1, 3, *size)
    assert pad_to_multiple(image, 8) is image
