"""YAML files that people write for us, read strictly: what is ambiguous, dangerous or silently lost elsewhere is an error."""

from modelpack.yamlfile.reading import Tree, load_yaml, load_yaml_stream

__all__ = ["Tree", "load_yaml", "load_yaml_stream"]
