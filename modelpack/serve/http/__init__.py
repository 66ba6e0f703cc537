"""HTTP/1.1 as a server speaks it: requests, their bodies, replies, and the connection that carries them."""

from modelpack.serve.http.connection import Connection
from modelpack.serve.http.messages import Body, Refusal, Reply, Request, Slice

__all__ = ["Body", "Connection", "Refusal", "Reply", "Request", "Slice"]
