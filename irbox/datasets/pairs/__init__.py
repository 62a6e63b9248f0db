"""Which files are pairs: folders, lists and published layouts, and the names that pair them."""
