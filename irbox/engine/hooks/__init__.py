"""Hooks: what happens beside the training and testing itself."""
