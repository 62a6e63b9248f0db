"""Plug-ins that lie elsewhere train through ``tools/train.py`` as it is."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from irbox.engine.checkpoint import read_checkpoint
from support.paths import ROOT

DOCS = (ROOT / 'docs/plugins.md').read_text()
TRAIN = ROOT / 'tools/train.py'
# The named files of the guide.
FILES = dict(re.findall(r'`([\w./-]+\.\w+)`:\n\n```\w+\n(.*?)```', DOCS, re.DOTALL))
# Those of the shell, in its order.
COMMANDS = [
    line
    for block in re.findall(r'```bash\n(.*?)```', DOCS, re.DOTALL)
    for line in block.replace('\\\n', ' ').splitlines()
    if line.startswith('python ')
]
TINY = """
model: {network: {dim: 8, depths: [1, 1, 1, 1]}}
train_cfg: {max_iters: 2, val_interval: 2}
param_scheduler: []
train_dataloader: {batch_size: 2, num_workers: 0, dataset: {patch_size: 16}}
val_dataloader: {dataset: {size: 16, crops: 1}}
"""


def run(folder, *arguments, path=()):
    """Run Python in a folder, without the repository in sight; gives what it printed."""
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def mine(tmp_path):
    """The guide's folder, beside a link to the checkout."""
    (tmp_path / 'irbox').symlink_to(ROOT)
    folder = tmp_path / 'mine'
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / 'tiny.yaml').write_text(f'_base_: edge.yaml{TINY}')
    shutil.copy(folder / 'edge_expert.py', folder / 'irbox-edge/irbox_edge')
    return folder


def trained(work_dir):
    """The plug-ins and the weights that a training has recorded."""
    checkpoint = read_checkpoint(work_dir / 'final.pth')
    found = re.search(r'^plugins:\n((?:- .*\n)+)', checkpoint['meta']['cfg'], re.MULTILINE)
    weights = [key for key in checkpoint['state_dict'] if 'edges.weight' in key]
    assert len(weights) == 18, 'six experts in front of each of three levels'
    return [line.removeprefix('- ') for line in found[1].splitlines()]


@pytest.mark.slow
def test_a_file_in_another_folder(mine):
    run(mine, TRAIN, 'tiny.yaml')
    assert trained(mine / 'work_dirs/tiny') == [str(mine / 'edge_expert.py')]
    # What was recorded is found from everywhere.
    work_dir = mine / 'work_dirs/tiny'
    elsewhere = mine.parent
    run(elsewhere, ROOT / 'tools/test.py', work_dir / 'config.yaml', work_dir / 'final.pth')


@pytest.mark.slow
def test_an_installed_package(mine):
    """What pip leaves behind: the package, and beside it what says where its parts are."""
    site = mine.parent / 'site'
    shutil.copytree(mine / 'irbox-edge/irbox_edge', site / 'irbox_edge')
    info = site / 'irbox_edge-0.1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: irbox-edge\nVersion: 0.1.0\n')
    (info / 'entry_points.txt').write_text('[irbox.plugins]\nedge = irbox_edge\n')
    (mine / 'edge_expert.py').unlink()
    text = (mine / 'edge.yaml').read_text().replace('plugins: [edge_expert.py]\n', '')
    (mine / 'edge.yaml').write_text(text)
    run(mine, TRAIN, 'tiny.yaml', path=[site])
    assert trained(mine / 'work_dirs/tiny') == ['edge']


@pytest.mark.slow
def test_a_package_that_pip_installs(mine):
    run(
        mine,
        '-m',
        'pip',
        'install',
        *('--quiet', '--no-index', '--no-build-isolation', '--no-deps', '--target', 'site'),
        './irbox-edge',
    )
    text = (mine / 'edge.yaml').read_text().replace('[edge_expert.py]', '[edge]')
    (mine / 'edge.yaml').write_text(text)
    run(mine, TRAIN, 'tiny.yaml', '--dry-run', path=[mine / 'site'])


@pytest.mark.slow
def test_the_guide_does_what_it_says(mine):
    """Its commands, to the letter, at a small size."""
    commands = [line for line in COMMANDS if 'plain.yaml' not in line]
    assert len(commands) == 6
    text = (mine / 'edge.yaml').read_text()
    for line in TINY.strip().splitlines()[2:]:
        text += f'{line}\n'
    (mine / 'edge.yaml').write_text(text.replace('network:\n', 'network:\n    dim: 8\n', 1))
    printed = ''
    for command in commands:
        command = command.replace('max_iters=100', 'max_iters=2')
        printed += run(mine, *command.replace('val_interval=100', 'val_interval=2').split()[1:])
    assert '1 passed' in printed
    assert 'EdgeExpert (plug-in)' in printed
    assert 'One iteration: ' in printed and 'Finished. Weights: ' in printed
    assert (mine / 'sheet.png').is_file()


@pytest.mark.slow
def test_the_guides_small_parts_keep_their_promises(mine):
    tests = ('test_small_parts.py', 'test_edge_error_metric.py')
    assert '2 passed' in run(mine, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *tests)
    run(mine, TRAIN, 'judged.yaml', '--dry-run')


@pytest.mark.slow
def test_the_guides_network_of_ones_own(mine):
    look, try_out = (line.split()[1:] for line in COMMANDS if 'plain.yaml' in line)
    # 12 x 32 x 9 + 32 and 32 x 12 x 9 + 12 weights.
    assert 'Parameters: 6,956 trainable, 0 frozen' in run(mine, *look)
    assert 'One iteration: ' in run(mine, *try_out)


@pytest.mark.slow
def test_a_loss_that_needs_routings_says_so_for_a_network_that_has_none(mine):
    text = (mine / 'plain.yaml').read_text()
    (mine / 'plain.yaml').write_text(text.replace('balance: null, ', ''))
    result = subprocess.run(
        [sys.executable, TRAIN, 'plain.yaml', '--dry-run'],
        cwd=mine,
        env=os.environ | {'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith('Error')]
    assert line.startswith('Error: model.losses.balance: BalanceLoss found no routing: no part')
    assert '`balance: null`' in line and 'Traceback' not in result.stderr


def test_the_guide_counts_lines_right():
    for name, lines in re.findall(r'\[`(plugins/\w+\.py)`\]\(\S+\) \|.*\| (\d+) \|', DOCS):
        assert len((ROOT / name).read_text().splitlines()) == int(lines), name


def test_the_guide_links_to_files_that_exist():
    for target in re.findall(r'\]\((\.\./[^)#]+)\)', DOCS):
        assert (ROOT / 'docs' / target).exists(), target
