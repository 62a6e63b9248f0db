"""Layers on CPUs: what surrounds their products, each in one pass over memory.

``kernels.cpp`` and ``gradients.cpp`` are compiled once for a machine's processor, by its own
C++ compiler.
"""
