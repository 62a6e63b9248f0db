"""A table of ways to call ``irbox restore`` wrongly or to feed it badly, in files by kind."""
