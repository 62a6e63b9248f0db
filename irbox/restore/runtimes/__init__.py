"""Programs that compute a network in torch's place: exported once, checked, the fastest chosen."""
