"""Signatures, attestations and signed files, ours before other people's tools and theirs before us."""
