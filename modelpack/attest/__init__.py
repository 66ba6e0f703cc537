"""Documents."""

__all__: list[str] = []
