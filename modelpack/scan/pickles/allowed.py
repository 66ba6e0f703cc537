"""The names that a pickle may use, one by one: what weights, optimizer states and arrays need, and nothing that acts.

Exact pairs only: a whole module would let in what it imports itself (``numpy.__builtins__``). Each name here either makes a
plain value or rebuilds a tensor or array from its arguments, whatever these are. Sources: ``torch/_weights_only_unpickler.py``
and ``torch/_utils.py`` of PyTorch 2, ``numpy/_core/multiarray.py`` of NumPy 1 and 2, the standard library's ``__reduce__``.
"""

from __future__ import annotations

import sys

_BUILTINS = "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple"
_DTYPES = (
    "bfloat16 bool complex128 complex32 complex64 double float float16 float32 float64 float8_e4m3fn float8_e4m3fnuz "
    "float8_e5m2 float8_e5m2fnuz float8_e8m0fnu half int int16 int32 int64 int8 long qint32 qint8 quint2x4 quint4x2 quint8 "
    "short uint16 uint32 uint64 uint8"
)
_STORAGES = (
    "BFloat16Storage BoolStorage ByteStorage CharStorage ComplexDoubleStorage ComplexFloatStorage DoubleStorage FloatStorage "
    "HalfStorage IntStorage LongStorage QInt32Storage QInt8Storage QUInt2x4Storage QUInt4x2Storage QUInt8Storage ShortStorage"
)
_TENSORS = "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor"
_REBUILD = (
    "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state _rebuild_qtensor "
    "_rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_nested_tensor _rebuild_meta_tensor_no_storage "
    "_rebuild_device_tensor_from_cpu_tensor _rebuild_device_tensor_from_numpy _rebuild_wrapper_subclass"
)
_SCALARS = (
    "bool bool_ bytes_ complex128 complex64 datetime64 float16 float32 float64 int16 int32 int64 int8 intc longdouble longlong "
    "str_ timedelta64 uint16 uint32 uint64 uint8 uintc ulonglong void"
)
_DTYPE_CLASSES = (
    "BoolDType ByteDType BytesDType CLongDoubleDType Complex128DType Complex64DType DateTime64DType Float16DType Float32DType "
    "Float64DType Int16DType Int32DType Int64DType Int8DType IntDType LongDType LongDoubleDType LongLongDType ObjectDType "
    "ShortDType StrDType TimeDelta64DType UByteDType UInt16DType UInt32DType UInt64DType UInt8DType UIntDType ULongDType "
    "ULongLongDType UShortDType VoidDType"
)

_NAMES = {
    "builtins": _BUILTINS,
    "__builtin__": f"{_BUILTINS} long unicode xrange",
    "_codecs": "encode",
    "copyreg": "_reconstructor",
    "copy_reg": "_reconstructor",
    "collections": "Counter OrderedDict defaultdict deque",
    "argparse": "Namespace",
    "types": "SimpleNamespace",
    "typing": "Any",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "pathlib._local": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
    "torch": f"Size Tensor device Generator {_DTYPES} {_STORAGES} {_TENSORS} contiguous_format channels_last preserve_format "
    "strided sparse_coo per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric",
    "torch.cuda": f"{_STORAGES} {_TENSORS}",
    "torch.storage": "TypedStorage UntypedStorage _LegacyStorage _TypedStorage _UntypedStorage",
    "torch._utils": _REBUILD,
    "torch._tensor": "Tensor _rebuild_from_type_v2 _rebuild_from_type",
    "torch.tensor": "Tensor",
    "torch.nn.parameter": "Buffer Parameter UninitializedBuffer UninitializedParameter",
    "torch.serialization": "_get_layout",
    "torch.jit._pickle": "build_boollist build_doublelist build_intlist build_tensor_from_id build_tensorlist restore_type_tag",
    "numpy": f"dtype ndarray matrix recarray {_SCALARS}",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.dtypes": _DTYPE_CLASSES,
    "numpy.ma.core": "MaskedArray _mareconstruct",
    "numpy.random": "RandomState",
    "numpy.random._pickle": "__bit_generator_ctor __generator_ctor __randomstate_ctor",
    "numpy.random._mt19937": "MT19937 __pyx_unpickle_MT19937",
    "numpy.random._pcg64": "PCG64",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "pytorch_lightning.utilities.parsing": "AttributeDict",
    "lightning.fabric.utilities.data": "AttributeDict",
    "lightning_fabric.utilities.data": "AttributeDict",
}
ALLOWED = frozenset((module, name) for module, names in _NAMES.items() for name in names.split())
"""(module, name) of everything harmless."""

_GADGETS = frozenset(
    {"numpy", "pip", "pkg_resources", "setuptools", "torch", "distutils", "IPython", "_pytest", "pytest"}
)
_MODULES_WITH_CLASSES = ("torch.nn.", "torch.optim.", "torchvision.models.")
_PYTHON_2 = frozenset(
    {"__builtin__", "commands", "popen2", "urllib2", "cPickle", "StringIO", "copy_reg", "__main__", "imp"}
)
_SYSTEM = sys.stdlib_module_names | _PYTHON_2 | _GADGETS


def judge(module: str, name: str, *, torchscript: bool = False) -> str:
    """The code of the finding about a name; empty if it is allowed.

    In a TorchScript archive the archive's own classes are fine: PyTorch looks them up in its ``code`` folder only.
    """
    if (module, name) in ALLOWED:
        return ""
    if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        return "SCAN-PICKLE-NAME"
    if torchscript and (module == "__torch__" or module.startswith("__torch__.")):
        return ""
    if module.partition(".")[0] in _SYSTEM and not module.startswith(_MODULES_WITH_CLASSES):
        return "SCAN-PICKLE-SYSTEM"
    return "SCAN-PICKLE-GLOBAL"
