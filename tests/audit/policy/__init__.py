"""Tests of modelpack.audit.policy."""
