"""An OCI registry over one layout, for tests, clusters without one, and sharing on a desk."""

from modelpack.serve.server import Server

__all__ = ["Server"]
