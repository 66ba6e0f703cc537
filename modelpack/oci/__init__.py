"""Values and documents of the OCI and ModelPack specifications. No I/O."""

from modelpack.oci.config import ModelConfig
from modelpack.oci.descriptor import Descriptor
from modelpack.oci.digest import Digest, Hasher, new_hasher
from modelpack.oci.manifest import Index, Manifest, parse_document
from modelpack.oci.mediatypes import Codec, Kind, LayerType, annotation, is_document
from modelpack.oci.reference import Reference, is_attachment_name
from modelpack.oci.schema import config_problems, manifest_problems, rfc3339, validate_config, validate_manifest
from modelpack.oci.strictjson import JSON, MAX_DOCUMENT, JSONObject, dumps, loads, loads_object

__all__ = [
    "JSON",
    "MAX_DOCUMENT",
    "Codec",
    "Descriptor",
    "Digest",
    "Hasher",
    "Index",
    "JSONObject",
    "Kind",
    "LayerType",
    "Manifest",
    "ModelConfig",
    "Reference",
    "annotation",
    "config_problems",
    "dumps",
    "is_attachment_name",
    "is_document",
    "loads",
    "loads_object",
    "manifest_problems",
    "new_hasher",
    "parse_document",
    "rfc3339",
    "validate_config",
    "validate_manifest",
]
