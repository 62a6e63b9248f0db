"""Loops: training by iteration, evaluation on several sets."""
