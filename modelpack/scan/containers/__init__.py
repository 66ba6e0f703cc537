"""Archives and compressed files: what is odd about them, and what is inside."""

from modelpack.scan.containers.compressed import compression_of, scan_compressed
from modelpack.scan.containers.tars import is_tar, scan_tar
from modelpack.scan.containers.zips import scan_appended_zip, scan_zip

__all__ = ["compression_of", "is_tar", "scan_appended_zip", "scan_compressed", "scan_tar", "scan_zip"]
