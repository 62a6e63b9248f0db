"""Configs: reading, checking before anything is built, plug-ins, and the options of commands."""

from irbox.config.plugins import load_plugins

__all__ = ['load_plugins']
