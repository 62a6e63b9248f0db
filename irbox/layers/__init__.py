"""Bricks: tensors in, tensors out, with no registry and no context. Import each from its file."""

from irbox.utils.moved_modules import accept_old_names

accept_old_names()
