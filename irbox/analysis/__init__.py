"""What a network is made of and what it costs, without running it."""
