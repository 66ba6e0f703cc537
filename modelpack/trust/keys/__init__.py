"""Keys that sign and keys that verify: reading, writing, making them, and the schemes that go with each kind."""

from modelpack.trust.keys.private import KINDS, PrivateKey, Signer
from modelpack.trust.keys.public import MAX_KEY_FILE, PublicKey
from modelpack.trust.keys.schemes import SIGNING, Scheme

__all__ = ["KINDS", "MAX_KEY_FILE", "SIGNING", "PrivateKey", "PublicKey", "Scheme", "Signer"]
