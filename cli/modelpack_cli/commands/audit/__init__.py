"""audit: registries against rules."""
