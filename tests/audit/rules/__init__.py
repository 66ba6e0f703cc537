"""Tests of modelpack.audit.rules."""
