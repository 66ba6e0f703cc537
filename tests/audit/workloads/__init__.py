"""Tests of modelpack.audit.workloads."""
