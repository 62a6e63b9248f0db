"""Bricks: tensors in, tensors out, with no registry and no context. Import each from its file."""
