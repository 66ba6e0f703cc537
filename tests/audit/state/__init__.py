"""Tests of modelpack.audit.state."""
