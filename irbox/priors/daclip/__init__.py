"""What ``DACLIPPrior`` is made of: DA-CLIP on open_clip, files, pixels, presets, cache."""

from irbox.utils.moved_modules import accept_old_names

accept_old_names()
