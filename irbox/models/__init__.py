"""Models: what the Runner trains."""

from irbox.models.restorer import Restorer

__all__ = ['Restorer']
