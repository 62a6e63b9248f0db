"""Every registered part keeps the contract of its kind."""

import pytest

import irbox.testing
from irbox.registry import part_kinds
from support.daclip_files import TINY_ARCH

# The few arguments without which a part cannot be built or tried.
NEEDED = {
    'ADEC': {
        'router': {'type': 'ContextualPriorRouter'},
        'expert': {'type': 'MLPExpert'},
        'shared_expert': {'type': 'MLPExpert'},
        'fuse': {'type': 'MSTBlock'},
    },
    'AdaptiveFrequencyBlock': {
        # At this size the published mask leaves the low band empty, so nothing can be asked by it.
        'no_gradient': (
            'attend_low.temperature',
            'attend_low.q.weight',
            'attend_low.q_dwconv.weight',
        )
    },
    'DACLIPPrior': {'arch': TINY_ARCH, 'allow_random': True},
    'DDER': {'router': {'type': 'PixelRouter'}, 'expert': {'type': 'MLPExpert'}},
    'DegradationLabelLoss': {'names': ['haze', 'rain', 'snow']},
    'FrozenRandomPrior': {'num_degradations': 3},
    'MLPPrior': {'num_degradations': 3},
    'TimmPrior': {'backbone': 'test_convnext', 'labels': ['haze', 'rain', 'snow']},
}

# Tried in tests/evaluation, with stand-ins.
STOOD_IN = {
    'FIDMetric': 'needs the package torch-fidelity and a downloaded network',
    'LPIPSMetric': 'needs the package lpips and downloaded weights',
}


def registered():
    for kind in part_kinds():
        if not kind.check:
            continue
        check = getattr(irbox.testing, kind.check)
        kind.registry.import_from_location()
        for name, part in sorted(kind.registry.module_dict.items()):
            if part.__module__.startswith('irbox.'):
                marks = [pytest.mark.skip(reason=STOOD_IN[name])] if name in STOOD_IN else []
                yield pytest.param(check, part, id=f'{kind.registry.name}-{name}', marks=marks)


@pytest.mark.parametrize(('check', 'part'), list(registered()))
def test_part(check, part):
    check(part, **NEEDED.get(part.__name__, {}))


def test_no_argument_is_left_over():
    names = {name for kind in part_kinds() for name in kind.registry.module_dict}
    assert set(NEEDED) | set(STOOD_IN) <= names
