"""What networks cost in time and memory here, beside what one would run instead."""
