"""Layers on CPUs: their products and what surrounds them, each in one pass over memory.

The C++ files here are compiled once for a machine's processor, by its own compiler (``library``),
and tried beside torch's operators (``trial``) before they are asked for anything.
"""
