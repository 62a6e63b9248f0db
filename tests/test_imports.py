"""Who may import whom, and what importing irbox does not import."""

import ast
import subprocess
import sys

import pytest

from support.house import house
from support.paths import ROOT

PACKAGE = ROOT / 'irbox'

# Each room imports only from lower floors, and from itself: the table of docs/architecture.md.
FLOORS = house.read_floors()
# On the same floor or below, and still out of bounds.
APART = {
    # Blocks ask a registry for their parts.
    'blocks': {'experts', 'routers', 'priors'},
    # These stand beside the models and know nothing of how an image is restored.
    'losses': {'layers', 'experts', 'routers', 'priors', 'blocks', 'networks'},
    'evaluation': {'layers', 'experts', 'routers', 'priors', 'blocks', 'networks'},
    'datasets': {'layers', 'experts', 'routers', 'priors', 'blocks', 'networks'},
    'degradations': {'layers', 'experts', 'routers', 'priors', 'blocks', 'networks'},
}
BY_HAND = {
    4: 'blocks ask a registry for their parts',
    0: 'structures and utils are importable by all and import none',
    2: 'layers are the lowest floor of what a network is made of',
}


def sources():
    yield from sorted(PACKAGE.rglob('*.py'))
    yield from sorted((ROOT / 'tools').glob('*.py'))
    yield from sorted((ROOT / 'plugins').rglob('*.py'))


folder_of = house.room_of


def imported(path):
    """Parts of irbox that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                assert folder_of(path) == 'plugins', f'{path}: imports name irbox in full'
                continue
            names = [f'{node.module}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            first, _, rest = name.partition('.')
            if first in ('irbox', 'tools'):
                part = rest.partition('.')[0] if first == 'irbox' else 'tools'
                if part in FLOORS:
                    yield part


def complaint(path, target):
    """Why a file may not import from a folder, or None."""
    folder = folder_of(path)
    if folder == target:
        return None
    allowed = FLOORS[target] < FLOORS[folder]
    if allowed and target not in APART.get(folder, ()):
        return None
    reason = BY_HAND.get(FLOORS[folder], f'{target} is no lower floor than {folder}')
    if target in APART.get(folder, ()) and folder != 'blocks':
        reason = f'{folder} stand beside the models'
    return f'{path.relative_to(ROOT)} imports irbox.{target}: {reason}'


def test_floors():
    complaints = [
        complaint(path, target)
        for path in sources()
        if path != PACKAGE / '__init__.py'
        for target in imported(path)
    ]
    found = sorted({text for text in complaints if text})
    assert not found, '\n'.join(found)


def test_every_folder_has_a_floor():
    folders = {folder_of(path) for path in sources()} - {'__init__'}
    assert folders == set(FLOORS)


@pytest.mark.parametrize(
    ('file', 'target', 'text'),
    [
        (
            'irbox/layers/norm.py',
            'blocks',
            'irbox/layers/norm.py imports irbox.blocks: layers are the lowest floor of '
            'what a network is made of',
        ),
        (
            'irbox/blocks/dder.py',
            'experts',
            'irbox/blocks/dder.py imports irbox.experts: blocks ask a registry for their parts',
        ),
        (
            'irbox/losses/l1_loss.py',
            'networks',
            'irbox/losses/l1_loss.py imports irbox.networks: losses stand beside the models',
        ),
        (
            'irbox/experts/mlp_expert.py',
            'routers',
            'irbox/experts/mlp_expert.py imports irbox.routers: routers is no lower floor '
            'than experts',
        ),
        ('irbox/models/restorer.py', 'networks', None),
        ('irbox/layers/norm.py', 'layers', None),
        ('irbox/registry.py', 'structures', None),
    ],
)
def test_what_the_floors_say(file, target, text):
    assert complaint(ROOT / file, target) == text


def run(code):
    return subprocess.run(
        [sys.executable, '-c', code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()


def test_importing_irbox_is_light():
    heavy = {
        'numpy',
        'torch',
        'torchvision',
        'timm',
        'open_clip',
        'mmengine',
        'mmengine.runner',
        'skimage',
        'sklearn',
        'cv2',
    }
    loaded = set(run('import sys, irbox; print(*sys.modules)'))
    assert not heavy & loaded
    assert not [name for name in loaded if name.startswith('irbox.')]


def test_importing_irbox_takes_no_time():
    """At most 0.15 s; by the processor's clock, as other programs may be running."""
    code = (
        'import time; start = time.process_time(); import irbox; print(time.process_time() - start)'
    )
    assert min(float(run(code)[0]) for _ in range(3)) < 0.15


def test_building_a_network_stays_light():
    """A network of our own parts needs neither vision libraries nor mmengine's Runner."""
    block = {'block': {'type': 'TransformerBlock'}}
    network = {
        'type': 'RestorationUNet',
        'dim': 8,
        'depths': [1, 1],
        'heads': [1, 1],
        'encoder': block,
        'bottleneck': block,
        'decoder': block,
    }
    code = (
        'import sys, irbox; '
        f'irbox.build_network({{"model": {{"network": {network!r}}}}}); '
        'print(*sys.modules)'
    )
    loaded = set(run(code))
    assert not {'torchvision', 'timm', 'open_clip', 'skimage', 'sklearn'} & loaded
