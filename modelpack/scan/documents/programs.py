"""Programs for processors and shells, by their first bytes."""

from __future__ import annotations

_NATIVE = {
    b"\x7fELF": "an ELF program or library",
    b"\xfe\xed\xfa\xce": "a Mach-O program or library",
    b"\xfe\xed\xfa\xcf": "a Mach-O program or library",
    b"\xce\xfa\xed\xfe": "a Mach-O program or library",
    b"\xcf\xfa\xed\xfe": "a Mach-O program or library",
    b"\xca\xfe\xba\xbe": "a universal Mach-O program, or a Java class",
    b"\x00asm": "a WebAssembly program",
    b"!<arch>\n": "a library of object files",
    b"dex\n": "an Android program",
}
_SCRIPTS = (".bat", ".cmd", ".ps1", ".vbs", ".sh", ".bash", ".csh", ".fish", ".command")


def program_kind(head: bytes, size: int, name: str) -> tuple[str, str]:
    """The code of a finding and what the file is; two empty texts if it is no program."""
    for magic, what in _NATIVE.items():
        if head.startswith(magic):
            return "SCAN-NATIVE", what
    if head.startswith(b"MZ") and _is_pe(head, size):
        return "SCAN-NATIVE", "a Windows program or library"
    if head.startswith(b"#!") and head[2:64].lstrip().startswith(b"/"):
        return "SCAN-SCRIPT", f"a script for {head[2:64].split(maxsplit=1)[0].decode(errors='replace')}"
    if name.lower().endswith(_SCRIPTS):
        return "SCAN-SCRIPT", "a script, by its name"
    return ("SCAN-PYTHON", "Python code") if name.lower().endswith((".py", ".pyc", ".pyw")) else ("", "")


def _is_pe(head: bytes, size: int) -> bool:
    """``MZ`` alone may be the begin of anything: the PE header must be where it is said to be, if that was read."""
    begin = int.from_bytes(head[60:64], "little")
    return head[begin : begin + 4] == b"PE\x00\x00" or len(head) <= begin < size
