"""An environment of its own, for an installed irbox."""

import sys
import sysconfig
import venv
from pathlib import Path


def own_environment(place):
    """Make one that has the dependencies of these tests, and no irbox; give its Python."""
    venv.create(place, with_pip=False)
    scheme = {'base': str(place), 'platbase': str(place)}
    site = Path(sysconfig.get_path('purelib', 'venv', scheme))
    others = [p for p in sys.path if p.endswith('site-packages')]
    (site / 'dependencies.pth').write_text('\n'.join(others))
    return place / 'bin/python'
