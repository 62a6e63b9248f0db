"""Where things are, for tests that read configs or run tools."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
CONFIGS = ROOT / 'configs'
TINY = Path(__file__).with_name('tiny.yaml')
"""A config that trains in a second."""
