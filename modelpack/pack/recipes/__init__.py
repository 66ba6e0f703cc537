"""Modelfiles (modctl) and Kitfiles (KitOps): lists of the files that make up a model."""

from modelpack.pack.recipes.kitfile import parse_kitfile, read_kitfile
from modelpack.pack.recipes.modelfile import parse_modelfile, read_modelfile
from modelpack.pack.recipes.recipe import Recipe, Want, gather

__all__ = ["Recipe", "Want", "gather", "parse_kitfile", "parse_modelfile", "read_kitfile", "read_modelfile"]
