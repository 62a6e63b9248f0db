"""Restoring very many pictures on the machines of a Ray cluster, by the code of the command."""
