import pytest
import torch
import yaml

from irbox.config.load_config import config_text, load_config


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace('__', '.')).write_text(text)
    return folder


BASE = 'model: {type: Restorer, network: {type: TinyNetwork, width: 4}}\nplugins: [%s]\n'


@pytest.fixture
def folder(tmp_path, pytestconfig):
    parts = pytestconfig.rootpath / 'tests/support/tiny_parts.py'
    return write(tmp_path, base__yaml=BASE % parts)


def test_yaml_on_yaml_and_python_on_yaml(folder):
    write(
        folder,
        child__yaml='_base_: base.yaml\nmodel: {network: {width: 6}}\n',
        # A standard import would switch mmengine to another dialect.
        entry__py="import math\n_base_ = 'child.yaml'\nrandomness = dict(seed=int(math.pi))\n",
    )
    config = load_config(folder / 'entry.py')
    assert config.model.network == {'type': 'TinyNetwork', 'width': 6}
    assert config.randomness.seed == 3


def test_numbers_of_numpy_are_written_as_numbers(folder):
    write(
        folder,
        entry__py="import numpy as np\n_base_ = 'base.yaml'\nrandomness = dict(seed=np.int64(3))\n"
        '_rates = [np.sqrt(4.0), np.float32(0.5)]\n',
    )
    text = config_text(load_config(folder / 'entry.py'))
    assert yaml.safe_load(text)['_rates'] == [2.0, 0.5]
    assert yaml.safe_load(text)['randomness'] == {'seed': 3}


NAMED = 'model: {losses: {pixel: {type: L1Loss}, balance: {type: BalanceLoss}}}'


def test_null_takes_away_what_a_base_has(folder):
    write(
        folder,
        named__yaml=f'_base_: base.yaml\n{NAMED}\n',
        plain__yaml='_base_: named.yaml\nmodel: {losses: {balance: null}}\n',
        again__yaml='_base_: plain.yaml\nmodel: {losses: {balance: null}}\n',
    )
    for name in ('plain.yaml', 'again.yaml'):
        assert load_config(folder / name).model.losses.balance is None
    assert load_config(folder / 'named.yaml', {'model.losses.balance': None}).model.losses.pixel
    # A config that was written whole has nulls of its own.
    config = load_config(folder / 'plain.yaml')
    (folder / 'whole.yaml').write_text(config_text(config))
    assert load_config(folder / 'whole.yaml').to_dict() == config.to_dict()
    (folder / 'on_it.yaml').write_text('_base_: whole.yaml\nrandomness: {seed: 3}\n')
    assert load_config(folder / 'on_it.yaml').randomness.seed == 3


def test_null_for_a_name_that_no_base_has_is_a_mistake(folder):
    message = "model.losses.pixle: null takes away .* none has 'pixle'. Did you mean 'pixel'"
    write(
        folder,
        named__yaml=f'_base_: base.yaml\n{NAMED}\n',
        wrong__yaml='_base_: named.yaml\nmodel: {losses: {pixle: null}}\n',
        # What stands in the way is in a base.
        child__yaml='_base_: wrong.yaml\nrandomness: {seed: 1}\n',
    )
    for name in ('wrong.yaml', 'child.yaml'):
        with pytest.raises(ValueError, match=message):
            load_config(folder / name)
    for options in ({'model.losses.pixle': None}, {'model': {'losses': {'pixle': None}}}):
        with pytest.raises(ValueError, match=message):
            load_config(folder / 'named.yaml', options)


def test_null_for_a_source_that_no_base_has_is_a_mistake(folder):
    data = 'train_dataloader: {dataset: {type: PairedImageDataset, sources: {rain: {set: x}}}}'
    write(folder, data__yaml=f'_base_: base.yaml\n{data}\n')
    key = 'train_dataloader.dataset.sources'
    with pytest.raises(ValueError, match=f"{key}.rian: null .* Did you mean 'rain'"):
        load_config(folder / 'data.yaml', {f'{key}.rian': None}, sections=())
    # A rule of a set is switched off by null; the base does not have it, the set may.
    load_config(folder / 'data.yaml', {f'{key}.rain.exclude_ids': None}, sections=())
    load_config(folder / 'data.yaml', {'model.network.norm': True, 'val_cfg': None}, sections=())


def test_options_replace_values_anywhere(folder):
    write(folder, list__yaml='_base_: base.yaml\n_depths: [4, 6, 6, 8]\n')
    options = {
        'model.network.width': 8,
        '_depths.1': 2,
        'randomness.seed': 5,
        'model.losses.pixel.type': 'L1Loss',
    }
    config = load_config(folder / 'list.yaml', options)
    assert config.model.network.width == 8
    assert config._depths == [4, 2, 6, 8]
    assert config.randomness.seed == 5
    assert config.model.losses.pixel.type == 'L1Loss'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'_depths.7': 1}, 'Index 7 exceeds'),
        ({'model.network': '{type:TinyNetwork}'}, r'model\.network\.type=Name'),
        ({'model.type.name': 'x'}, 'model.type.name=x'),
    ],
)
def test_options_that_cannot_be(folder, options, message):
    write(folder, list__yaml='_base_: base.yaml\n_depths: [4, 6, 6, 8]\n')
    with pytest.raises(ValueError, match=message):
        load_config(folder / 'list.yaml', options)


def test_text_round_trip(folder, tmp_path):
    write(
        folder, entry__py="_base_ = 'base.yaml'\noptim = ('a', 1e-9)\n".replace('optim', '_optim')
    )
    config = load_config(folder / 'entry.py')
    (tmp_path / 'again.yaml').write_text(config_text(config))
    again = load_config(tmp_path / 'again.yaml')
    assert again.model == config.model
    assert again._optim == ['a', 1e-9]


def test_missing_file_names_near_ones(folder):
    with pytest.raises(FileNotFoundError, match=r'bse\.yaml does not exist.*base\.yaml'):
        load_config(folder / 'bse.yaml')


def test_missing_base_names_near_ones(folder):
    write(folder, child__yaml='_base_: basis.yaml\n')
    with pytest.raises(FileNotFoundError, match=r'base .*basis\.yaml does not exist.*base\.yaml'):
        load_config(folder / 'child.yaml')


def test_folder_and_other_files_are_no_configs(folder):
    with pytest.raises(FileNotFoundError, match='is a folder'):
        load_config(folder)
    write(folder, notes__txt='')
    with pytest.raises(ValueError, match=r'must end in \.py'):
        load_config(folder / 'notes.txt')


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('bad.yaml', 'a: [1, 2\nb: 3', r'bad\.yaml: not valid YAML.*line 2'),
        ('bad.yaml', 'model: {a: 1}\nmodel: {b: 2}', r"key 'model' is given twice \(line 2\)"),
        (
            'bad.yaml',
            'a: !!python/object/apply:os.getcwd []',
            'not valid YAML: could not determine',
        ),
        ('bad.py', 'a = (1,\n', r'bad\.py: not valid Python: .*line 1'),
        ('bad.yaml', 'only text', r'bad\.yaml: it must hold keys and values'),
        ('bad.py', 'a = (1,\n', r"'\(' was never closed \(line 1\)"),
        ('bad.py', 'a = undefined', "NameError: name 'undefined'"),
        ('bad.yaml', '_base_: base.yaml\nx: {{_base_.nope}}', "'nope', which no base sets"),
        ('bad.yaml', '_base_: [base.yaml, twin.yaml]', 'same top-level key: model'),
        ('bad.yaml', '_base_: null.yaml\nmodel: {network: {prior: {type: X}}}', '_delete_: true'),
    ],
)
def test_unreadable_configs(folder, name, text, message):
    write(
        folder,
        twin__yaml='model: {type: Restorer}\n',
        null__yaml='_base_: base.yaml\nmodel: {network: {prior: null}}\n',
    )
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_config(folder / name)


def test_the_broken_base_is_named(folder):
    write(folder, child__yaml='_base_: broken.yaml\n', broken__yaml='a: [\n')
    with pytest.raises(ValueError, match=r'child\.yaml, in its base .*broken\.yaml'):
        load_config(folder / 'child.yaml')


def test_yaml_tags_do_not_run_code(folder, tmp_path):
    target = tmp_path / 'ran'
    write(folder, evil__yaml=f'a: !!python/object/apply:os.mkdir ["{target}"]\n')
    with pytest.raises(ValueError, match='not valid YAML'):
        load_config(folder / 'evil.yaml')
    assert not target.exists()


def test_dumped_yaml_is_plain():
    from mmengine.fileio import dump

    from irbox.config import yaml_handler

    yaml_handler.install()
    text = dump({'a': [1.5, None]}, file_format='yaml')
    assert yaml.safe_load(text) == {'a': [1.5, None]}


def test_only_the_sections_that_are_used_are_checked(folder):
    write(folder, child__yaml='_base_: base.yaml\ntrain_cfg: {max_itres: 3}\n')
    assert load_config(folder / 'child.yaml', sections=('model',)).model.type == 'Restorer'
    with pytest.raises(ValueError, match='max_iters'):
        load_config(folder / 'child.yaml')


def test_tensors_are_no_plain_text(folder):
    # Anything that YAML has no word for is written as its text instead of as code.
    config = load_config(folder / 'base.yaml')
    config._extra = torch.float16
    assert yaml.safe_load(config_text(config))['_extra'] == 'torch.float16'
