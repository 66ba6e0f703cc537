"""Where cosign keeps signatures and attestations in a registry, and in which bytes."""

from modelpack.trust.cosign.carriers import (
    ATTESTATION_LAYER,
    SIGNATURE_LAYER,
    SIGNED,
    attestation_layer,
    attestation_manifest,
    bundle_manifest,
    signature_manifest,
)
from modelpack.trust.cosign.simple import SimplePayload, simple_seal

__all__ = [
    "ATTESTATION_LAYER",
    "SIGNATURE_LAYER",
    "SIGNED",
    "SimplePayload",
    "attestation_layer",
    "attestation_manifest",
    "bundle_manifest",
    "signature_manifest",
    "simple_seal",
]
