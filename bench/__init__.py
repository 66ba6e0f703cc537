"""Measurements: each is one command that prints a table and says what it ran on."""
