"""Keyless signatures: an identity provider instead of a key, a short-lived certificate, an entry in a public log.

All that is specific to Fulcio, Rekor and timestamps is left to the ``sigstore`` package (extra ``keyless``). Here is what comes
before it (bounds, strict reading), what it leaves to its callers (who may have signed, whether it is what was asked about), and
its errors in our words.
"""

from modelpack.trust.keyless.identity import KeylessIdentity
from modelpack.trust.keyless.signing import sign_keyless

__all__ = ["KeylessIdentity", "sign_keyless"]
