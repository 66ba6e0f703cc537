"""The words of every code: name, severity, whether something stayed unchecked, what it means, what to do."""

from __future__ import annotations

_PICKLE = "Do not load the file. Ask its publisher for safetensors, or convert it in a sandbox."
_AGAIN = "Fetch the file again; if it stays so, do not load it."
_ELSEWHERE = "Look at it with other tools, or take a format that can be checked, such as safetensors."

TABLE: tuple[tuple[str, str, bool, str, str], ...] = (
    (
        "SCAN-PICKLE-SYSTEM",
        "high",
        False,
        (
            "The pickle names something of Python's standard library, or a known tool of attackers in a common "
            "package, that no weights need. Loading the file imports it and can call it: that is how commands are "
            "run."
        ),
        _PICKLE,
    ),
    (
        "SCAN-PICKLE-NAME",
        "high",
        False,
        (
            "The pickle names something in a way that writers of models do not use: with dots in the name, with "
            "characters that no name has, or computed while loading. Such names get past scanners."
        ),
        _PICKLE,
    ),
    (
        "SCAN-PICKLE-EXTENSION",
        "high",
        False,
        (
            "The pickle takes a name from the process's extension registry (EXT1, EXT2, EXT4). What it means "
            "depends on the program that loads it; no writer of models uses this."
        ),
        _PICKLE,
    ),
    (
        "SCAN-PICKLE-CALL",
        "high",
        False,
        (
            "The pickle calls or changes something that it computed or imported, other than making an object of a "
            "named class."
        ),
        _PICKLE,
    ),
    (
        "SCAN-PICKLE-GLOBAL",
        "medium",
        False,
        (
            "The pickle names a class or function of a package that is not on the list of harmless names. Loading "
            "the file imports that package and can run its code. Whole objects (scikit-learn models, pickled "
            "PyTorch modules) do this."
        ),
        "Load it only if you trust its publisher as you trust a program; better ask for weights without code.",
    ),
    (
        "SCAN-PICKLE-BROKEN",
        "medium",
        True,
        (
            "The pickle is truncated or not well-formed from some place on. What comes before that place still "
            "runs when it is loaded; what comes after could not be judged."
        ),
        _AGAIN,
    ),
    (
        "SCAN-PICKLE-TRAILING",
        "medium",
        False,
        (
            "Bytes that are no pickle follow a pickle. Nothing reads them there, unless the file is meant to be "
            "something else too."
        ),
        _AGAIN,
    ),
    (
        "SCAN-POLYGLOT",
        "high",
        False,
        (
            "The file is two things at once: bytes before or after an archive, or an archive behind a file of "
            "another format. Programs disagree about what it is, which is the purpose."
        ),
        "Do not use the file; fetch it from its publisher and compare.",
    ),
    (
        "SCAN-ZIP-MISMATCH",
        "high",
        False,
        (
            "The archive's directory and the headers before its files contradict each other, or a name stands "
            "twice. Two programs that unpack it can get different files."
        ),
        "Do not use the file; fetch it from its publisher and compare.",
    ),
    (
        "SCAN-ZIP-HIDDEN",
        "medium",
        False,
        "The archive has bytes between its files that its directory does not list.",
        "Unpack it and make a new archive of what you need.",
    ),
    (
        "SCAN-ARCHIVE-PATH",
        "medium",
        False,
        "A file name or link in an archive leads out of the folder into which it is unpacked.",
        "Do not unpack it with tools that follow such names.",
    ),
    (
        "SCAN-TORCHSCRIPT",
        "low",
        False,
        (
            "A TorchScript archive holds a program. It runs inside PyTorch's interpreter, which is no sandbox: it "
            "can use memory, time, and files through PyTorch's operators."
        ),
        "Treat it as a program; prefer weights together with code that you know.",
    ),
    (
        "SCAN-KERAS-LAMBDA",
        "high",
        False,
        ("A Keras model has a Lambda layer, which holds Python bytecode that runs when the model is loaded or used."),
        "Load it with safe_mode=True only, or have the layer replaced by a registered class.",
    ),
    (
        "SCAN-KERAS-MODULE",
        "high",
        False,
        (
            "A Keras model's configuration names a module outside the parts of Keras that models are made of. "
            "Loading imports it and calls what is named (CVE-2025-1550 was of this kind)."
        ),
        "Do not load it unless you know why the module is there; keep Keras up to date.",
    ),
    (
        "SCAN-KERAS-CUSTOM",
        "low",
        False,
        "A Keras model uses a class registered by somebody's package; that package's code runs with it.",
        "Read that package before you install it.",
    ),
    (
        "SCAN-SAVEDMODEL-OP",
        "high",
        False,
        "A TensorFlow graph has operators that read or write files or call Python.",
        "Run it only in a sandbox without access to files.",
    ),
    (
        "SCAN-TEMPLATE-UNSAFE",
        "high",
        False,
        (
            "A chat template reaches for Python's internals, computes names of attributes, or loads other "
            "templates. In an engine without a sandbox this runs code (CVE-2024-34359 was of this kind)."
        ),
        "Do not use the template; take the one of the original model.",
    ),
    (
        "SCAN-TEMPLATE-UNKNOWN",
        "low",
        False,
        "A chat template uses a filter, test or global function that the usual engines do not have.",
        "Read the template; it may only be written for another engine.",
    ),
    (
        "SCAN-TEMPLATE-SIZE",
        "medium",
        False,
        "A chat template is far larger than real ones are. It can hide instructions and slow down its engine.",
        "Read the template before use, or take the one of the original model.",
    ),
    (
        "SCAN-TEMPLATE-BROKEN",
        "medium",
        True,
        "A chat template cannot be parsed, so what it does is not known.",
        "Take the template of the original model.",
    ),
    (
        "SCAN-AUTO-MAP",
        "medium",
        False,
        (
            "The configuration asks loaders to run Python code that comes with the model or from a repository of "
            "its choice (auto_map, custom_pipelines, or a module type): with trust_remote_code it runs."
        ),
        "Leave trust_remote_code off, or read the code and pin its revision.",
    ),
    (
        "SCAN-PYTHON",
        "low",
        False,
        "There is Python code beside the weights. It runs only if somebody runs it.",
        "Read it before you let it run.",
    ),
    (
        "SCAN-NATIVE",
        "medium",
        False,
        "The file is a program or library for a processor (ELF, PE, Mach-O). Weights need none.",
        "Remove it, or find out who built it from what.",
    ),
    (
        "SCAN-SCRIPT",
        "low",
        False,
        "The file is a script. It runs only if somebody runs it.",
        "Read it before you run it.",
    ),
    (
        "SCAN-ONNX-EXTERNAL",
        "high",
        False,
        "An ONNX model keeps weights at a path that leaves its folder: loading reads a file of the user's.",
        "Do not load it; such a path never has a good reason.",
    ),
    (
        "SCAN-ONNX-MISSING",
        "medium",
        False,
        "An ONNX model keeps weights in a file that is not there.",
        "Fetch the missing file from where the model came from.",
    ),
    (
        "SCAN-ONNX-DOMAIN",
        "info",
        False,
        "An ONNX model uses operators of somebody's own; they need a library of theirs to run.",
        "Make sure that the library comes from whom you expect.",
    ),
    (
        "SCAN-SAFETENSORS",
        "medium",
        False,
        (
            "A safetensors file breaks the rules of the format (duplicate keys, holes, overlaps, trailing bytes, "
            "padding). Two readers may see different tensors."
        ),
        "Fetch it again, or write it anew with the safetensors library.",
    ),
    (
        "SCAN-GGUF",
        "medium",
        False,
        (
            "A GGUF file breaks the rules of the format (types, bounds, overlaps). Readers written in C may read "
            "where they should not."
        ),
        "Fetch it again, or convert the original model anew.",
    ),
    (
        "SCAN-ONNX",
        "medium",
        False,
        "An ONNX file is malformed: sizes, nesting or fields are not as the format says.",
        "Fetch it again, or export the model anew.",
    ),
    (
        "SCAN-TENSOR-NAME",
        "low",
        False,
        (
            "Tensors have names that are empty, hold control characters or look like paths out of a folder. Tools "
            "that write one file for each tensor can be misled."
        ),
        "Rename the tensors.",
    ),
    (
        "SCAN-ODD",
        "info",
        False,
        "A model file is legal, but not as the usual writers make it.",
        "Nothing has to be done.",
    ),
    (
        "SCAN-SHARDS",
        "medium",
        False,
        "The index of sharded weights and the shards disagree. Loaders silently drop what does not match.",
        "Fetch the model again; all shards and the index must be of one revision.",
    ),
    (
        "SCAN-MISMATCH",
        "medium",
        False,
        "The name promises a format that cannot run code, the content is something else.",
        "Do not load it by its name; ask its publisher.",
    ),
    (
        "SCAN-POINTER",
        "medium",
        True,
        "The file is a Git LFS pointer instead of the content.",
        "Run `git lfs pull` and scan again.",
    ),
    (
        "SCAN-ENCRYPTED",
        "medium",
        True,
        "A file in an archive is encrypted and could not be looked at.",
        _ELSEWHERE,
    ),
    (
        "SCAN-UNCHECKED",
        "medium",
        True,
        "The file, or a part of it, is in a form into which this scanner cannot look.",
        _ELSEWHERE,
    ),
    (
        "SCAN-BROKEN",
        "medium",
        True,
        "An archive or document is damaged, so that not all of it could be looked at.",
        _AGAIN,
    ),
    (
        "SCAN-LIMIT",
        "medium",
        True,
        (
            "The file would take more time, memory or nesting than a scan may use. Archives are made so to "
            "exhaust scanners."
        ),
        "Unpack it yourself, with limits, and scan the parts.",
    ),
    (
        "SCAN-UNREADABLE",
        "medium",
        True,
        "The file could not be read.",
        "Check permissions and the disk, and scan again.",
    ),
)
