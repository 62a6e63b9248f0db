"""The selective scan of Mamba: the choice of a path, the operator, and the paths."""

from irbox.layers.selective_scan.dispatch import (
    BACKENDS,
    check_backend,
    choose_path,
    selective_scan,
)

__all__ = ['BACKENDS', 'check_backend', 'choose_path', 'selective_scan']
