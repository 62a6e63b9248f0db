"""Generated scenes: clean pictures with depth in which nobody's photograph is."""
