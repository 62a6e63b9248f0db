"""Restoring pictures: everything above the engine that turns a photograph into a better one."""
