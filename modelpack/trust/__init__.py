"""Who vouches for a model: keys, signature formats, policies, verification."""

__all__: list[str] = []
