"""Tests of documents about models, on real models and on hostile ones."""
