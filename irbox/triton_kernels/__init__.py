"""Kernels in Triton for CUDA devices; the operators that run them are in `irbox.layers.fused`."""
