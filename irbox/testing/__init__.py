"""Helpers for tests, of ours and of people who write parts."""
