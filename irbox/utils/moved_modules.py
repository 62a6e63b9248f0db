"""Modules that have moved: their old names work for one version, and say the new ones."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# Old name -> new name, of modules and of packages with all that is in them. Since version 0.2.
MOVED = {
    'irbox.datasets.data_source': 'irbox.datasets.pairs.data_source',
    'irbox.datasets.degradations': 'irbox.degradations',
    'irbox.datasets.distinct_names': 'irbox.datasets.pairs.distinct_names',
    'irbox.datasets.image_folders': 'irbox.datasets.pairs.image_folders',
    'irbox.datasets.image_selection': 'irbox.datasets.pairs.image_selection',
    'irbox.datasets.paired_source': 'irbox.datasets.pairs.paired_source',
    'irbox.datasets.pairing_rule': 'irbox.datasets.pairs.pairing_rule',
    'irbox.datasets.rule_values': 'irbox.datasets.pairs.schema',
    'irbox.datasets.set_declaration': 'irbox.datasets.pairs.set_declaration',
    'irbox.datasets.synthetic_depth': 'irbox.degradations.synthetic_depth',
    'irbox.engine.build': 'irbox.engine.network',
    'irbox.engine.building': 'irbox.engine.sections',
    'irbox.engine.check_config': 'irbox.config.check_config',
    'irbox.engine.check_values': 'irbox.config.check_values',
    'irbox.engine.cli': 'irbox.config.command_line',
    'irbox.engine.complexity': 'irbox.analysis.count_macs',
    'irbox.engine.config': 'irbox.config.load_config',
    'irbox.engine.console': 'irbox.utils.console',
    'irbox.engine.convert_m2restore': 'irbox.conversion.m2restore',
    'irbox.engine.convert_published': 'irbox.conversion.convert',
    'irbox.engine.data_check': 'irbox.data_check',
    'irbox.engine.data_check.file_facts': 'irbox.datasets.file_facts',
    'irbox.engine.describe': 'irbox.analysis.network_table',
    'irbox.engine.files': 'irbox.utils.files',
    'irbox.engine.hooks.averaged_model': 'irbox.engine.averaged_model',
    'irbox.engine.parts': 'irbox.config.list_parts',
    'irbox.engine.plugins': 'irbox.config.plugins',
    'irbox.engine.preparation': 'irbox.engine.prepare',
    'irbox.engine.published_weights': 'irbox.conversion.rename_weights',
    'irbox.engine.sweeps': 'irbox.sweeps',
    'irbox.engine.testing': 'irbox.engine.test',
    'irbox.engine.training': 'irbox.engine.train',
    'irbox.engine.yaml_handler': 'irbox.config.yaml_handler',
    'irbox.evaluation.image_files': 'irbox.evaluation.image_operations',
    'irbox.evaluation.planes': 'irbox.evaluation.color_spaces',
    'irbox.evaluation.published_table': 'irbox.evaluation.tables.published_table',
    'irbox.evaluation.results': 'irbox.evaluation.tables.results',
    'irbox.evaluation.score_table': 'irbox.evaluation.tables.score_table',
    'irbox.evaluation.table_formats': 'irbox.evaluation.tables.table_formats',
    'irbox.evaluation.tasks': 'irbox.evaluation.tables.tasks',
    'irbox.layers.selective_scan_mamba_ssm': 'irbox.layers.selective_scan.mamba_ssm_scan',
    'irbox.layers.selective_scan_op': 'irbox.layers.selective_scan.operator',
    'irbox.layers.selective_scan_torch': 'irbox.layers.selective_scan.torch_scan',
    'irbox.layers.selective_scan_triton': 'irbox.layers.selective_scan.triton_scan',
    'irbox.priors.daclip.pixels': 'irbox.priors.daclip.preprocess',
    'irbox.priors.daclip.reading': 'irbox.priors.daclip.state_dict',
}


def new_name(name: str) -> str | None:
    """Give the new name of a module that has moved, or None."""
    head, tail = name, ''
    while head:
        if head in MOVED:
            return MOVED[head] + tail
        head, _, last = head.rpartition('.')
        tail = f'.{last}{tail}'
    return None


class MovedFinder(MetaPathFinder, Loader):
    """Answers an import of an old name with the module of the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Claim the old names."""
        return ModuleSpec(fullname, self) if new_name(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the moved module in the place of the empty one, and warn whoever imports it."""
        old = module.__name__
        new = new_name(old)
        assert new is not None
        warnings.warn(
            f'{old} is now {new}. The old name goes with the next version.',
            DeprecationWarning,
            stacklevel=2,
        )
        sys.modules[old] = importlib.import_module(new)


def accept_old_names() -> None:
    """Let imports of old names find the moved modules, from now on."""
    if not any(isinstance(finder, MovedFinder) for finder in sys.meta_path):
        # First: the path of a moved package would find its old submodules a second time.
        sys.meta_path.insert(0, MovedFinder())
