from irbox.engine.train import _tasks


class Mixture:
    task_counts = {'haze': 72_135, 'rain': 24_000, 'noise': 46_296}


def test_samples_of_each_task_are_told():
    assert list(_tasks(Mixture())) == [
        ('  haze', '72,135 (50.6%)'),
        ('  rain', '24,000 (16.9%)'),
        ('  noise', '46,296 (32.5%)'),
    ]


def test_a_data_set_that_cannot_tell_is_left_out():
    assert list(_tasks([1, 2])) == []
