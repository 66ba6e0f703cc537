"""Tests of modelpack.audit."""
