"""Tests of comparing models."""
