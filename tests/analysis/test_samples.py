"""Which images are taken, and how they are cut."""

import pytest
import torch

from irbox.analysis.samples import choose_samples


class Images:
    """So many of each label, the size of the first axis of a picture its index."""

    def __init__(self, counts, size=(20, 30), counted=False):
        self.labels = [label for label, count in counts.items() for _ in range(count)]
        self.size, self.read = size, []
        if counted:
            self.task_counts = counts

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        self.read.append(index)
        image = torch.arange(self.size[0] * self.size[1]).view(1, *self.size).repeat(3, 1, 1)
        label = self.labels[index]
        item = {'label': label, 'name': str(index)}
        return item | {'image': image.float(), 'target': image.float()}


def names(found):
    return [int(one.name) for one in found]


@pytest.mark.parametrize('counted', [False, True])
def test_evenly_over_what_there_is(counted):
    data = Images({'haze': 7, 'rain': 2}, counted=counted)
    found = choose_samples([data], per_label=3)
    assert names(found) == [0, 3, 6, 7, 8]
    assert [one.label for one in found] == ['haze'] * 3 + ['rain'] * 2
    assert names(choose_samples([data], 1, ['rain', 'haze'])) == [7, 0]


def test_of_several_sets_each_degradation_counts_once():
    sets = [Images({'haze': 3}), Images({'noise': 4}), Images({'rain': 2}), Images({'noise': 4})]
    found = choose_samples(sets, 3, ['rain', 'noise'])
    assert [one.label for one in found] == ['rain'] * 2 + ['noise'] * 3
    # Evenly over the eight with noise: the last is of the last set.
    assert names(found) == [0, 1, 0, 0, 3]
    assert [len(one.read) for one in sets[1::2]] == [1 + 4, 2 + 4]
    assert [one.label for one in choose_samples(sets, 1)] == ['haze', 'noise', 'rain']
    with pytest.raises(ValueError, match=r"'snow' is none of the data.*haze, noise, rain"):
        choose_samples(sets, 1, ['haze', 'snow'])


def test_counts_that_say_the_labels_save_the_reading():
    data = Images({'haze': 40, 'rain': 40}, counted=True)
    choose_samples([data], per_label=2)
    assert len(data.read) < 10


def test_wrong_counts_are_not_believed():
    data = Images({'haze': 3, 'rain': 3}, counted=True)
    data.labels.reverse()
    assert [(one.label, one.name) for one in choose_samples([data], 1)] == [
        ('rain', '0'),
        ('haze', '3'),
    ]


def test_the_middle_is_cut_out_at_a_multiple():
    (one,) = choose_samples([Images({'haze': 1})], 1, crop=13, multiple=4)
    assert one.degraded.shape == (3, 12, 12)
    # (20 - 12) // 2 rows of 30 and (30 - 12) // 2 columns are left out.
    assert one.clean[0, 0, 0] == 4 * 30 + 9
    (whole,) = choose_samples([Images({'haze': 1})], 1, multiple=8)
    assert whole.degraded.shape == (3, 16, 24)


def test_what_cannot_be():
    with pytest.raises(ValueError, match=r"--labels: 'snow' is none of the data"):
        choose_samples([Images({'haze': 1})], 1, ['snow'])
    for crop in (None, 8, 64):
        with pytest.raises(ValueError, match=r'0 \(haze\) is 20x30: .*32 pixels.*--data'):
            choose_samples([Images({'haze': 1})], 1, crop=crop, multiple=32)
    with pytest.raises(ValueError, match=r'is 20x30, cut to 8: smaller than the 16 .*Raise --crop'):
        choose_samples([Images({'haze': 1})], 1, crop=8, multiple=16)
