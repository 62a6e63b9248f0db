"""Every registered part keeps the contract of its kind."""

import pytest

from irbox.registry import BLOCKS, EXPERTS, LOSSES, PRIORS, ROUTERS
from irbox.testing import check_block, check_expert, check_loss, check_prior, check_router
from support.daclip_files import TINY_ARCH

CHECKS = {
    BLOCKS: check_block,
    EXPERTS: check_expert,
    LOSSES: check_loss,
    PRIORS: check_prior,
    ROUTERS: check_router,
}

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


def registered():
    for registry, check in CHECKS.items():
        registry.import_from_location()
        for name, part in sorted(registry.module_dict.items()):
            if part.__module__.startswith('irbox.'):
                yield pytest.param(check, part, id=f'{registry.name}-{name}')


@pytest.mark.parametrize(('check', 'part'), list(registered()))
def test_part(check, part):
    check(part, **NEEDED.get(part.__name__, {}))


def test_no_argument_is_left_over():
    names = {name for registry in CHECKS for name in registry.module_dict}
    assert set(NEEDED) <= names
