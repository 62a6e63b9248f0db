import pytest

from irbox.utils.suggest import suggest


@pytest.mark.parametrize(
    ('name', 'known', 'said'),
    [
        ('zzz', ['rain', 'haze'], 'Known: haze, rain.'),
        ('Rain', {'rain': 1, 'grain': 2}, "Did you mean 'rain'? Known: grain, rain."),
        ('11', iter([2, 1, 10]), "Did you mean '1'? Known: 1, 10, 2."),
        ('haze', [], 'Known: none.'),
    ],
)
def test_the_nearest_name_and_all_in_order(name, known, said):
    assert suggest(name, known) == said
