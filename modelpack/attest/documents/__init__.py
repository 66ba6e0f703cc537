"""Bills of materials in the two formats that others read. Same inventory and options, same bytes."""

from modelpack.attest.documents.cyclonedx import CYCLONEDX, cyclonedx
from modelpack.attest.documents.spdx import SPDX, spdx

__all__ = ["CYCLONEDX", "SPDX", "cyclonedx", "spdx"]
