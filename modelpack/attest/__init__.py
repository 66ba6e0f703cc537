"""Documents that say what is in a model and where it came from, and whether they agree with it.

::

    found = inventory(store, descriptor, reference="registry.example/ml/minilm:v1")
    bom = cyclonedx(found, tool_version="1.0")
    attach_document(store, found.descriptor, CYCLONEDX, bom)
"""

from modelpack.attest.ancestry import Lineage, lineage
from modelpack.attest.attachments import attach_document, raw_document_manifest
from modelpack.attest.crosscheck import CODES, Contradiction, crosscheck
from modelpack.attest.documents import CYCLONEDX, SPDX, cyclonedx, spdx
from modelpack.attest.inventory import (
    ChatTemplate,
    Completeness,
    Inventory,
    InventoryFile,
    Origin,
    TensorSummary,
    inventory,
    origin,
)
from modelpack.attest.provenance import (
    Material,
    Provenance,
    Run,
    ci_facts,
    parse_provenance,
    provenance,
    read_git,
)
from modelpack.attest.statement import (
    CYCLONEDX_BOM,
    IN_TOTO,
    PROVENANCE,
    SCAN,
    SPDX_DOCUMENT,
    SVR,
    VSA,
    statement,
)
from modelpack.attest.validation import problems
from modelpack.attest.verdicts import scan_predicate, verification_result, verification_summary

__all__ = [
    "CODES",
    "CYCLONEDX",
    "CYCLONEDX_BOM",
    "IN_TOTO",
    "PROVENANCE",
    "SCAN",
    "SPDX",
    "SPDX_DOCUMENT",
    "SVR",
    "VSA",
    "ChatTemplate",
    "Completeness",
    "Contradiction",
    "Inventory",
    "InventoryFile",
    "Lineage",
    "Material",
    "Origin",
    "Provenance",
    "Run",
    "TensorSummary",
    "attach_document",
    "ci_facts",
    "crosscheck",
    "cyclonedx",
    "inventory",
    "lineage",
    "origin",
    "parse_provenance",
    "problems",
    "provenance",
    "raw_document_manifest",
    "read_git",
    "scan_predicate",
    "spdx",
    "statement",
    "verification_result",
    "verification_summary",
]
