"""What is unsafe in model files, told without loading, unpickling or rendering anything."""

from modelpack.scan.content import scan_file
from modelpack.scan.findings import CODES, Code, Finding, Severity, printable
from modelpack.scan.folder import scan_files, scan_folder
from modelpack.scan.looking import Limits
from modelpack.scan.report import Report, Scanned

__all__ = [
    "CODES",
    "Code",
    "Finding",
    "Limits",
    "Report",
    "Scanned",
    "Severity",
    "printable",
    "scan_file",
    "scan_files",
    "scan_folder",
]
