"""OpenSSF Model Signing v1.0 (ossf/model-signing-spec): a statement that lists every file of a model with its digest."""

from modelpack.trust.oms.folder import check_folder
from modelpack.trust.oms.statement import OMS, FileList, oms_hint, oms_kinds

__all__ = ["OMS", "FileList", "check_folder", "oms_hint", "oms_kinds"]
