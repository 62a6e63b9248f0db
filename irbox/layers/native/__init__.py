"""Layers on CPUs, without gradients: what surrounds their products, each in one pass over memory.

``kernels.cpp`` is compiled once for a machine's processor, by its own C++ compiler.
"""
