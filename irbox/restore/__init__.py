"""Restoring pictures: from a checkpoint to a picture, of any kind and any size.

The package can be called: ``irbox.restore(image, model=...)``, whether the name stands for the
function of ``irbox`` or, once a module in here has been imported, for this package.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class CallablePackage(ModuleType):
    """A package that restores when it is called."""

    def __call__(self, image: Any, model: Any = 'small', **options: Any) -> Any:
        """Restore a picture; see ``irbox.restore``."""
        from irbox.restore.restore import restore

        return restore(image, model, **options)


sys.modules[__name__].__class__ = CallablePackage
