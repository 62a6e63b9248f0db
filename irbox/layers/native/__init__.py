"""Layers on CPUs: what surrounds their products, each in one pass over memory.

``kernels.cpp``, ``gradients.cpp`` and ``norms.cpp`` are compiled once for a machine's processor, by
its own C++ compiler.
"""
