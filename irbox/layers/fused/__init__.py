"""Layers on CUDA devices as few launches of Triton kernels, and their gradients where asked for."""
