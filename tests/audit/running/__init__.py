"""Tests of whole audits, on registries that count what they are asked."""
