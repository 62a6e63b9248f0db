"""Small helpers that every floor may import."""
