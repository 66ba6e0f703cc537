"""How models relate to each other: diff, lineage."""
