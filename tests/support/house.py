"""The script that measures the house, as a module."""

import importlib.util
import sys

from support.paths import TOOLS

spec = importlib.util.spec_from_file_location('house', TOOLS / 'house.py')
house = importlib.util.module_from_spec(spec)
sys.modules['house'] = house
spec.loader.exec_module(house)
