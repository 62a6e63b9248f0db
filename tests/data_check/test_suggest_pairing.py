import pytest

from irbox.data_check.suggest_pairing import suggest_pairing


def suggest(root, degraded, clean):
    for folder, names in (('in', degraded), ('gt', clean)):
        (root / folder).mkdir()
        for name in names:
            (root / folder / name).touch()
    return suggest_pairing([(root / 'in' / name, root / 'gt') for name in degraded])


@pytest.mark.parametrize(
    ('degraded', 'clean', 'rule'),
    [
        ('{}_rain', '{}_clean', r"['(.+)_rain', '\1_clean']"),
        ('rain-{}', 'norain-{}', r"['rain-(\d+)', 'norain-\1']"),
        ('{:04}_0.8_0.2', '{:04}', r"['(\d+)_.*', '\1']"),
        ('im_{:04}_s80_a04', 'im_{:04}', r"['(im_\d+)_.*', '\1']"),
        ('norain-{}x2', 'norain-{}', 'last_number'),
        ('rain-{:03}', 'norain-{}', 'last_number'),
        ('photo_{}_lq', 'photo_{}_gt', 'last_number'),
    ],
)
def test_rules_of_published_sets(tmp_path, degraded, clean, rule):
    numbers = range(1, 5)
    text = suggest(
        tmp_path,
        [f'{degraded.format(n)}.png' for n in numbers],
        [f'{clean.format(n)}.jpg' for n in numbers],
    )
    assert text == f'Add {rule} to `pairing`: it finds the clean image of 4 of these 4.'


def test_a_rule_is_made_up_where_numbers_alone_do_not_tell(tmp_path):
    """Two clean images have each number; one of the two ways to exchange names finds all."""
    degraded = [f'x.y_{n}_lq.png' for n in range(1, 5)]
    clean = [f'{kind}_{n}.png' for n in range(1, 5) for kind in ('gt', 'mask')]
    assert suggest(tmp_path, degraded, clean).startswith(
        r"Add ['x\.y_(\d+)_lq', 'gt_\1'] to `pairing`: it finds the clean image of 4"
    )


def test_letter_case_and_misspelling_are_renamed(tmp_path):
    text = suggest(tmp_path, ['beach.png', 'mountain.png'], ['Beach.png', 'mountian.png'])
    gt = tmp_path / 'gt'
    assert text == (
        f'Perhaps rename {gt / "Beach.png"} to beach.png, {gt / "mountian.png"} to mountain.png.'
    )


def test_nothing_alike_gives_no_advice(tmp_path):
    assert suggest(tmp_path, ['beach.png'], ['forest.png', 'lake.png']) == ''


def test_a_rule_must_find_most(tmp_path):
    degraded = ['1_rain.png', 'apple.png', 'pear.png', 'plum.png']
    assert suggest(tmp_path, degraded, ['1_clean.png', 'x.png']) == ''
