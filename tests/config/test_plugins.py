import itertools
import re
import subprocess
import sys

import pytest

from irbox.config import load_plugins
from irbox.config.check_values import check_nested
from irbox.config.load_config import load_config
from irbox.registry import EXPERTS

COUNTER = itertools.count()


@pytest.fixture
def part():
    """Source of a plug-in that registers an expert of a new name, and that name."""
    name = f'PluginExpert{next(COUNTER)}'
    decorated = f'@EXPERTS.register_module()\nclass {name}:\n    pass\n'
    yield f'from irbox.registry import EXPERTS\n{decorated}', name
    EXPERTS.module_dict.pop(name, None)


@pytest.mark.parametrize('depth', [0, 1, 3])
def test_files_are_found_beside_the_config_and_above(tmp_path, part, depth):
    source, name = part
    (tmp_path / 'plugins').mkdir()
    (tmp_path / 'plugins/expert.py').write_text(source)
    config = tmp_path.joinpath(*['configs'] * depth, 'entry.yaml')
    load_plugins(['plugins/expert.py'], near=config)
    assert name in EXPERTS.module_dict


def test_files_are_found_in_the_current_folder(tmp_path, part, monkeypatch):
    source, name = part
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/expert.py').write_text(source)
    monkeypatch.chdir(tmp_path / 'here')
    load_plugins(['expert.py'], near='/somewhere/else/entry.yaml')
    assert name in EXPERTS.module_dict


def test_each_is_imported_once(tmp_path, part, monkeypatch):
    source, _ = part
    (tmp_path / 'expert.py').write_text(source)
    load_plugins([tmp_path / 'expert.py', 'expert.py'], near=tmp_path / 'a.yaml')
    monkeypatch.chdir(tmp_path)
    load_plugins(['./expert.py'])


def test_a_module_that_was_imported_otherwise_is_not_imported_again(tmp_path, part, monkeypatch):
    source, name = part
    (tmp_path / f'{name}.py').write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    __import__(name)
    load_plugins([tmp_path / f'{name}.py'])
    del sys.modules[name]


def test_folders(tmp_path, part):
    source, name = part
    (tmp_path / 'loose').mkdir()
    (tmp_path / 'loose/expert.py').write_text(source)
    (tmp_path / 'loose/_private.py').write_text('raise RuntimeError')
    load_plugins(['loose'], near=tmp_path / 'a.yaml')
    assert name in EXPERTS.module_dict


def test_packages_as_folders_and_by_name(tmp_path, part, monkeypatch):
    source, name = part
    package = tmp_path / f'package_{name}'
    package.mkdir()
    (package / '__init__.py').write_text('from . import expert')
    (package / 'expert.py').write_text(source)
    load_plugins([package.name], near=tmp_path / 'a.yaml')
    assert name in EXPERTS.module_dict

    EXPERTS.module_dict.pop(name)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f'module_{name}.py').write_text(source)
    load_plugins([f'module_{name}'], near='/somewhere/else/a.yaml')
    assert name in EXPERTS.module_dict


def test_a_plugin_that_fails_is_named_with_its_line(tmp_path):
    (tmp_path / 'fails.py').write_text('import os\n\nprint(undefined)\n')
    with pytest.raises(ImportError, match=r'fails\.py could not.*NameError.*fails\.py, line 3'):
        load_plugins(['fails.py'], near=tmp_path / 'a.yaml')
    (tmp_path / 'fails.py').write_text('def f(:\n')
    with pytest.raises(ImportError, match=r'SyntaxError.*fails\.py, line 1'):
        load_plugins(['fails.py'], near=tmp_path / 'a.yaml')


def test_a_plugin_that_lacks_a_package_says_so(tmp_path):
    (tmp_path / 'needs.py').write_text('import not_installed_anywhere\n')
    with pytest.raises(ImportError, match="No module named 'not_installed_anywhere'"):
        load_plugins(['needs.py'], near=tmp_path / 'a.yaml')


@pytest.mark.parametrize(
    ('plugins', 'error', 'message'),
    [
        (['plugins/none.py'], FileNotFoundError, r"'plugins/none\.py' was not found\. Tried: "),
        (['no_such_module'], FileNotFoundError, 'neither a file or folder nor an installed'),
        ('plugins/one.py', ValueError, 'must be a list'),
        ([3], ValueError, 'plugins: 3'),
    ],
)
def test_what_is_no_plugin(plugins, error, message):
    with pytest.raises(error, match=message):
        load_plugins(plugins)


def test_a_plugin_that_fails_leaves_nothing_and_can_be_mended(tmp_path, part):
    source, name = part
    (tmp_path / 'expert.py').write_text(f'{source}\n1 / 0\n')
    for _ in range(2):
        with pytest.raises(ImportError, match=r'ZeroDivisionError.*expert\.py, line 6'):
            load_plugins(['expert.py'], near=tmp_path / 'a.yaml')
        assert name not in EXPERTS.module_dict
    (tmp_path / 'expert.py').write_text(source)
    load_plugins(['expert.py'], near=tmp_path / 'a.yaml')
    assert name in EXPERTS.module_dict


def test_a_package_that_fails_can_be_mended(tmp_path, part):
    source, name = part
    package = tmp_path / f'package_{name}'
    package.mkdir()
    (package / '__init__.py').write_text('from . import expert, later')
    (package / 'expert.py').write_text(source)
    (package / 'later.py').write_text('x = 1\nraise RuntimeError("not yet")\n')
    with pytest.raises(ImportError, match=r'RuntimeError: not yet .*later\.py, line 2'):
        load_plugins([package], near=tmp_path / 'a.yaml')
    (package / 'later.py').write_text('')
    load_plugins([package], near=tmp_path / 'a.yaml')
    assert name in EXPERTS.module_dict


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        (
            'import torch\n\ntorch.zeros(2) + torch.zeros(3)\n',
            r'RuntimeError: The size of tensor .*fails\.py, line 3\)\.',
        ),
        (
            'import numpy as np\n\nx = 1\nnp.stack([np.zeros(2), np.zeros(3)])\n',
            r'ValueError: .*fails\.py, line 4\)\.',
        ),
        (
            'from irbox.registry import EXPERTS\n\n@EXPERTS.register_module()\n'
            'class MLPExpert:\n    pass\n',
            r'imported: MLPExpert is already registered in expert at irbox\.experts\.mlp_expert '
            r'\(.*fails\.py, line [34]\)\. Give the class a name of its own\.',
        ),
        ('import helper\n', r"No module named 'helper'.*line 1\)\. helper\.py stands beside it"),
        ('import sys\n\nsys.exit(3)\n', r'it ended the program \(SystemExit: 3\) .*line 3\)\. Put'),
    ],
)
def test_a_failure_is_told_in_the_authors_terms(tmp_path, source, text):
    (tmp_path / 'fails.py').write_text(source)
    (tmp_path / 'helper.py').write_text('')
    with pytest.raises(ImportError, match=text):
        load_plugins(['fails.py'], near=tmp_path / 'a.yaml')
    assert EXPERTS.get('MLPExpert').__module__ == 'irbox.experts.mlp_expert'


BLOCK = '{block: {type: TransformerBlock}}'
NETWORK = (
    '{type: RestorationUNet, dim: 8, depths: [1, 1], heads: [1, 2], refinement: 1, '
    f'encoder: {BLOCK}, bottleneck: {BLOCK}, decoder: {BLOCK}}}'
)
ROUTED = '{encoder: {before_level: {type: DDER, router: {type: PixelRouter}, expert: {type: %s}}}}'


def test_a_base_finds_its_plugins_from_anywhere(tmp_path, part, monkeypatch):
    source, name = part
    for folder in ('library', 'mine'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'library/expert.py').write_text(source)
    model = f'model: {{type: Restorer, network: {NETWORK}}}\n'
    (tmp_path / 'library/base.yaml').write_text(f'plugins: [expert.py]\n{model}')
    config = tmp_path / 'mine/config.yaml'
    config.write_text(f'_base_: ../library/base.yaml\nmodel: {{network: {ROUTED % name}}}\n')
    monkeypatch.chdir(tmp_path / 'mine')
    read = load_config(config, sections=['model'])
    assert read.plugins == [str(tmp_path / 'library/expert.py')]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package with an entry point where installed packages lie."""

    def install(name, source):
        package = f'irbox_{name.lower()}'
        info = tmp_path / f'site/{package}-1.2.dist-info'
        info.mkdir(parents=True)
        (tmp_path / f'site/{package}').mkdir()
        (tmp_path / f'site/{package}/__init__.py').write_text(source)
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n')
        (info / 'entry_points.txt').write_text(f'[irbox.plugins]\n{name} = {package}\n')
        return package

    (tmp_path / 'site').mkdir()
    monkeypatch.syspath_prepend(tmp_path / 'site')
    return install


@pytest.fixture
def config(tmp_path):
    def config(name, plugins=()):
        path = tmp_path / 'config.yaml'
        path.write_text(
            f'plugins: {list(plugins)}\nmodel: {{type: Restorer, network: {NETWORK}}}\n'
        )
        child = tmp_path / 'child.yaml'
        child.write_text(f'_base_: config.yaml\nmodel: {{network: {ROUTED % name}}}\n')
        return load_config(child, sections=['model'])

    return config


def test_an_installed_plugin_is_named_in_plugins(install, part, config):
    source, name = part
    package = install(name, source)
    assert config(name, plugins=[name]).plugins == [name]
    assert package in sys.modules


def test_an_installed_part_is_found_by_its_name_alone_and_recorded(install, part, config):
    source, name = part
    package = install(name, source)
    config('MLPExpert')
    assert package not in sys.modules, 'not before it is needed'
    assert config(name).plugins == [name]
    assert config('MLPExpert').plugins == []


def test_a_broken_installed_plugin_stops_only_who_asks_for_it(install, part, config):
    source, name = part
    install(f'{name}Broken', 'import os\n\nprint(undefined)\n')
    install(name, source)
    config('MLPExpert')
    assert config(name).plugins == [name]
    place = rf'irbox_{name.lower()}broken 1\.2\) could not.*NameError.*__init__\.py, line 3\)'
    with pytest.raises(ValueError, match=f'No expert is called .*{place}'):
        config('ExpertOfTheBrokenOne')
    for _ in range(2):
        with pytest.raises(ImportError, match=place):
            config('MLPExpert', plugins=[f'{name}Broken'])


def test_installed_plugins_are_named_where_none_fits(install, part):
    source, name = part
    install(name, source)
    with pytest.raises(FileNotFoundError, match=f'entry points of irbox.plugins.: .*{name}'):
        load_plugins(['no_such_module'])


def test_an_installed_part_is_found_where_the_key_does_not_tell_its_kind(install, part):
    source, name = part
    install(name, source)
    check_nested({'anything': {'type': name}}, 'model')
    with pytest.raises(ValueError, match="no part is called 'NoSuchPartAnywhere'"):
        check_nested({'anything': {'type': 'NoSuchPartAnywhere'}}, 'model')


@pytest.mark.slow
def test_a_taken_name_is_the_plugins_mistake_also_before_irboxs_parts_are_imported(tmp_path):
    (tmp_path / 'taken.py').write_text(
        'from irbox.registry import EXPERTS\n\n\n'
        '@EXPERTS.register_module()\nclass MLPExpert:\n    pass\n'
    )
    code = 'from irbox.config import load_plugins; load_plugins(["taken.py"])'
    run = subprocess.run([sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True)
    assert re.search(r'ImportError: plugins: .*taken\.py could not be .* already reg', run.stderr)
