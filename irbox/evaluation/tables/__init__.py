"""Tables of scores: rows, layouts of papers beside ours, and their formats."""
