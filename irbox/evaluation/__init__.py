"""Scores of restored images, and tables of them."""
