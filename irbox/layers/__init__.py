"""Bricks: tensors in, tensors out; no registry, no context. Import each from its own file."""
