"""Programs that the benchmark starts as clients; each is run by its path and imports nothing of the project."""
