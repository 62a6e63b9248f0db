"""What ``DACLIPPrior`` is made of: DA-CLIP on open_clip, files, pixels, presets, cache."""
