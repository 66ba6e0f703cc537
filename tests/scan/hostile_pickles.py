"""Pickles that would run code, by the ways in which they try to hide it: name to bytes and the code that must be found."""

from __future__ import annotations

import struct

from tests.scan.build import BENIGN, EVIL, called, legacy_torch, named, stacked, word, wrapper

SYSTEM, NAME, CALL = "SCAN-PICKLE-SYSTEM", "SCAN-PICKLE-NAME", "SCAN-PICKLE-CALL"
EXTENSION, GLOBAL, BROKEN = "SCAN-PICKLE-EXTENSION", "SCAN-PICKLE-GLOBAL", "SCAN-PICKLE-BROKEN"

ARGUMENT = word("id")

_ACTORS = (
    "os.system posix.system nt.system subprocess.Popen subprocess.check_output builtins.exec builtins.eval builtins.compile "
    "builtins.open builtins.getattr builtins.__import__ builtins.globals builtins.breakpoint __builtin__.eval "
    "__builtin__.execfile "
    "commands.getoutput popen2.popen3 runpy._run_code timeit.timeit cProfile.run pydoc.locate pdb.run code.interact "
    "importlib.import_module ctypes.CDLL pickle.loads _pickle.loads marshal.loads types.FunctionType types.CodeType "
    "operator.attrgetter operator.methodcaller functools.partial functools.reduce itertools.starmap socket.create_connection "
    "shutil.rmtree sys.exit io.open io.FileIO webbrowser.open asyncio.run multiprocessing.Process pty.spawn bdb.Bdb "
    "urllib.request.urlopen http.client.HTTPSConnection smtplib.SMTP ssl.get_server_certificate logging.config.listen "
    "doctest.debug_script trace.Trace venv.create ensurepip._run_pip codecs.open copyreg.add_extension uuid._get_command_stdout "
    "numpy.__builtins__ numpy.testing._private.utils.runstring numpy.f2py.crackfortran.getlincoef numpy.load numpy.core.os "
    "torch.load torch.hub.load torch.serialization.load torch.utils.cpp_extension.load torch.fx.graph_module.reduce_graph_module "
    "torch.storage.torch torch._utils.torch torch._dynamo.guards.GuardBuilder pip._internal.main setuptools.sandbox.run_setup "
    "collections.namedtuple collections._sys pathlib.os datetime.sys _codecs.lookup"
)
ACTORS = _ACTORS.split()
"""Functions that run commands or reach what does."""


def _memo(index: bytes) -> bytes:
    return b"\x80\x04" + word("os") + index + b"0" + word("system")


HIDDEN: dict[str, tuple[bytes, str]] = {
    "protocol 0": (b"cos\nsystem\n(S'id'\ntR.", SYSTEM),
    "protocol 0, double quotes": (b'S"os"\nS"system"\n\x93.', SYSTEM),
    "protocol 1": (called(named("os", "system"), b"U\x02id"), SYSTEM),
    "protocol 2, Python 2's names": (b"\x80\x02" + called(named("__builtin__", "eval"), b"U\x021+"), SYSTEM),
    "protocol 4": (EVIL, SYSTEM),
    "protocol 4 in a frame": (b"\x80\x04\x95" + struct.pack("<Q", len(EVIL) - 2) + EVIL[2:], SYSTEM),
    "protocol 5": (b"\x80\x05" + EVIL[2:], SYSTEM),
    "only imported": (b"\x80\x02" + named("antigravity", "fly") + b".", SYSTEM),
    "operands of eight-byte lengths": (
        b"\x80\x04\x8d" + struct.pack("<Q", 2) + b"os" + b"X" + struct.pack("<I", 6) + b"system\x93.",
        SYSTEM,
    ),
    "operands of old strings": (b"\x80\x04U\x02osT" + struct.pack("<i", 6) + b"system\x93.", SYSTEM),
    "operands of protocol 0": (b"Vos\nVsystem\n\x93(Vid\ntR.", SYSTEM),
    "operands from the memo": (
        b"\x80\x04" + word("os") + b"\x94" + word("system") + b"\x940" * 1 + b"0h\x00h\x01\x93.",
        SYSTEM,
    ),
    "memo by BINPUT": (b"\x80\x04" + word("os") + b"q\x070" + b"h\x07" + word("system") + b"\x93.", SYSTEM),
    "memo by LONG_BINPUT": (
        b"\x80\x04" + word("os") + b"r\xff\xff\xff\x7f0" + b"j\xff\xff\xff\x7f" + word("system") + b"\x93.",
        SYSTEM,
    ),
    "memo by text": (b"Vos\np12\n0g12\nVsystem\n\x93.", SYSTEM),
    "memo by text with zeros": (b"Vos\np0012\n0g12\nVsystem\n\x93.", SYSTEM),
    "memo written twice": (
        b"\x80\x04" + word("collections") + b"q\x000" + word("os") + b"q\x000h\x00" + word("system") + b"\x93.",
        SYSTEM,
    ),
    "memo written over MEMOIZE": (
        b"\x80\x04" + word("collections") + b"\x940" + word("os") + b"q\x000h\x00" + word("system") + b"\x93.",
        SYSTEM,
    ),
    "memo of a name": (b"\x80\x04" + stacked("os", "system") + b"\x940h\x00(" + ARGUMENT + b"tR.", SYSTEM),
    "operand duplicated": (b"\x80\x04" + word("code") + b"2\x93.", SYSTEM),
    "operands under popped ones": (b"\x80\x04" + word("os") + word("x") + b"0" + word("system") + b"\x93.", SYSTEM),
    "operands under a popped mark": (b"\x80\x04" + word("os") + b"(K\x01K\x021" + word("system") + b"\x93.", SYSTEM),
    "mark popped by POP": (b"\x80\x04" + word("os") + b"(0" + word("system") + b"\x93.", SYSTEM),
    "dotted name": (b"\x80\x04" + called(stacked("builtins", "print.__self__.eval"), word("1")), NAME),
    "dotted name of an allowed one": (
        b"\x80\x04" + called(stacked("collections", "OrderedDict.fromkeys.__self__"), b""),
        NAME,
    ),
    "dotted name in GLOBAL": (b"\x80\x04" + called(named("torch", "serialization.os.system"), ARGUMENT), NAME),
    "no name": (b"\x80\x04" + word("os") + word("") + b"\x93.", NAME),
    "name that is no identifier": (b"\x80\x04" + stacked("os", "sys tem") + b".", NAME),
    "module with a slash": (b"\x80\x04" + stacked("../os", "system") + b".", NAME),
    "name that is not UTF-8": (named(b"os\xff", b"system") + b".", NAME),
    "name from a number": (b"\x80\x04K\x01" + word("system") + b"\x93.", NAME),
    "name from a persistent id": (b"\x80\x04" + word("1") + b"Q" + word("system") + b"\x93.", NAME),
    "name from persistent text": (b"P1\nVsystem\n\x93.", NAME),
    "name from a call": (
        b"\x80\x04" + called(stacked("builtins", "str"), word("os"), stop=b"") + word("system") + b"\x93.",
        NAME,
    ),
    "name with an escape": (b"S'o\\x73'\nS'system'\n\x93.", NAME),
    "name with a unicode escape": (b"V\\u006fs\nVsystem\n\x93.", NAME),
    "name that is very long": (b"\x80\x04X" + struct.pack("<I", 5000) + b"a" * 5000 + word("x") + b"\x93.", NAME),
    "EXT1": (b"\x80\x02\x82\x01(U\x02idtR.", EXTENSION),
    "EXT2": (b"\x80\x02\x83\x01\x01)R.", EXTENSION),
    "EXT4": (b"\x80\x02\x84\x01\x00\x00\x01)R.", EXTENSION),
    "INST": (b"(S'id'\nios\nsystem\n.", SYSTEM),
    "INST with a dotted name": (b"(S'id'\nibuiltins\nprint.__self__.exec\n.", NAME),
    "OBJ": (b"(" + named("os", "system") + b"S'id'\no.", SYSTEM),
    "NEWOBJ": (b"\x80\x02" + named("subprocess", "Popen") + b"U\x02id\x85\x81.", SYSTEM),
    "NEWOBJ_EX": (b"\x80\x04" + stacked("subprocess", "Popen") + b")}\x92.", SYSTEM),
    "BUILD of a foreign object": (b"\x80\x02" + named("some.package", "Thing") + b")\x81}b.", GLOBAL),
    "BUILD changes a class": (b"\x80\x02" + named("torch", "Tensor") + b"}U\x05__new" + b"K\x01sb.", CALL),
    "BUILD changes a function": (b"\x80\x02" + named("torch._utils", "_rebuild_tensor_v2") + b"N}\x86b.", CALL),
    "SETITEM on a class": (b"\x80\x02" + named("collections", "OrderedDict") + b"K\x01K\x02s.", CALL),
    "SETITEMS on a class": (b"\x80\x02" + named("collections", "OrderedDict") + b"(K\x01K\x02u.", CALL),
    "APPEND to a class": (b"\x80\x02" + named("collections", "deque") + b"K\x01a.", CALL),
    "APPENDS to a class": (b"\x80\x02" + named("collections", "deque") + b"(K\x01e.", CALL),
    "calls what a call gave": (b"\x80\x02" + named("collections", "OrderedDict") + b")R)R.", CALL),
    "calls text": (b"\x80\x02U\x01a)R.", CALL),
    "getattr chain": (
        b"\x80\x04"
        + called(stacked("builtins", "getattr"), called(stacked("builtins", "__import__"), word("os"), stop=b"")),
        SYSTEM,
    ),
    "foreign package": (b"\x80\x04" + called(stacked("evil_package.deep", "Thing")), GLOBAL),
    "TorchScript's names elsewhere": (b"\x80\x02" + named("__torch__.a", "B") + b")\x81.", GLOBAL),
    "__main__": (b"\x80\x02" + named("__main__", "Model") + b")\x81.", SYSTEM),
    "bad opcode after the call": (called(named("os", "system"), b"U\x02id", stop=b"") + b"\xff\xff", SYSTEM),
    "no end after the call": (called(named("os", "system"), b"U\x02id", stop=b""), SYSTEM),
    "empty stack after the call": (called(named("os", "system"), b"U\x02id", stop=b"") + b"000.", SYSTEM),
    "second pickle": (BENIGN + EVIL, SYSTEM),
    "third pickle": (BENIGN + b"\x80\x02N." + EVIL, SYSTEM),
    "second pickle of protocol 0": (BENIGN + b"cos\nsystem\n(S'id'\ntR.", SYSTEM),
    "second pickle that breaks": (BENIGN + EVIL[:-1] + b"\xff", SYSTEM),
    "old PyTorch file": (legacy_torch(b"\x80\x02}.", EVIL, b"\x80\x02].", raw=bytes(100)), SYSTEM),
    "old PyTorch file, system info": (legacy_torch(EVIL, BENIGN, b"\x80\x02]."), SYSTEM),
    "old PyTorch file, list of storages": (legacy_torch(b"\x80\x02}.", BENIGN, EVIL, raw=bytes(100)), SYSTEM),
    "behind an array of joblib": (
        b"\x80\x04("
        + wrapper(b"K\x02\x85", "f8")
        + b"\x03xxx"
        + b"." * 16
        + stacked("os", "system")
        + ARGUMENT
        + b"\x85Rt.",
        SYSTEM,
    ),
    "in an array of objects of joblib": (b"\x80\x04" + wrapper(b"K\x02\x85", "O8") + EVIL + b".", SYSTEM),
    "in the raw bytes of joblib's array, for pickle.load": (
        b"\x80\x04"
        + wrapper(b"K\x40\x85", "u1", alignment=False)
        + (named("os", "system") + b"(U\x02idtR.").ljust(64, b"0")
        + b".",
        SYSTEM,
    ),
    "dotted, in the raw bytes of joblib's array": (
        b"\x80\x04"
        + wrapper(b"K\x40\x85", "u1", alignment=False)
        + (stacked("builtins", "print.__self__.eval") + b"(U\x02idtR.").ljust(64, b"0")
        + b".",
        NAME,
    ),
    "array of joblib without a size": (b"\x80\x04" + wrapper(b"N", "f8") + b".", BROKEN),
}

DAMAGED: dict[str, bytes] = {
    "no end mark": BENIGN[:-1],
    "cut in an operand": b"\x80\x02X\x10\x00\x00\x00abc",
    "text longer than the file": b"\x80\x02X\x00\x10\x00\x00abc",
    "bytes longer than the file": b"\x80\x04\x8e" + b"\xff" * 8 + b"abc",
    "stack empty at the end": b"\x80\x02.",
    "stack empty": b"\x80\x020.",
    "mark popped as a value": b"\x80\x02(\x85.",
    "no mark": b"\x80\x02t.",
    "OBJ without a class": b"\x80\x02(o.",
    "protocol 6 in the middle": b"\x80\x04N\x80\x06.",
    "memo without the entry": b"\x80\x02h\x05.",
    "memo with a hole": b"\x80\x02Nq\x05h\x03.",
    "memo index that is no number": b"\x80\x02Np1_0\n.",
    "key without a value": b"\x80\x02}(K\x01u.",
    "dictionary with half a pair": b"\x80\x02(K\x01d.",
    "text without quotes": b"\x80\x02Sabc\n.",
    "line without end": b"\x80\x02V" + b"a" * 100_000,
}
