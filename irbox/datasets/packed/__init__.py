"""Image pairs in few large files: tar shards, which WebDataset reads, too, with an index."""
