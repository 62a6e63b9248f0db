"""Layers on CUDA devices, without gradients, as few launches of Triton kernels."""
