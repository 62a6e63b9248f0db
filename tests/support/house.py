"""The script that measures the house, as a module."""

from support.tool_module import tool_module

house = tool_module('house')
