"""Tests of modelpack.audit.lineage."""
