"""Tests of modelpack.audit.collecting."""
