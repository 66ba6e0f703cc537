"""What kind of file a name suggests.

The tables begin as modctl's (pkg/modelfile/constants.go), whose artifacts people know: configuration, weights, code, documents,
and what no pattern knows by its size. ``_CORRECTIONS`` come first and differ from modctl on purpose: data sets are kinds of
their own (modctl calls ``*.jsonl`` configuration, ``*.parquet`` weights), project files are code, tokenizer files and chat
templates configuration, model formats that modctl does not know are weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

from modelpack.oci import Kind
from modelpack.paths import Glob, component

BIG = 128_000_000
"""Bytes above which a file that no pattern knows is taken for weights."""

_CORRECTIONS: tuple[tuple[Kind, str], ...] = (
    (
        Kind.CODE,
        """package.json package-lock.json tsconfig*.json composer.json deno.json pnpm-lock.yaml pyproject.toml
        Pipfile* Cargo.toml tox.ini setup.cfg environment.yml environment.yaml docker-compose*.y*ml compose.y*ml
        dockerfile* *.lock go.sum CMakeLists.txt Kitfile""",
    ),
    (
        Kind.WEIGHT,
        """*.ckpt*.meta *-[0-9]*.params *weights*.npz model.npz model[-_.]*.npz adapter*.npz *.dduf *.nemo *.task *.litertlm
        *.mnn *.rknn *.hef *.om *.bmodel *.pdiparams *.pdparams *.pdmodel *.pdopt *.plan *.ort *.t7 *.ubj *.cbm *.lgb *.skops
        *.lora *.adapter *.mdl *.fst *.vec *.faiss *.distcp *.orbax-checkpoint *.nnue *.q[0-9]_k* *.ncnn.bin""",
    ),
    (
        Kind.CONFIG,
        """vocab vocab.json vocab.bpe vocab.tsv vocab.csv vocab.model *.vocab *.bpe *.spm *.spm.model spm*.model *bpe*.model
        *.jinja *.jinja2 *.j2 *.prototxt *.pbtxt *.gbnf *.param labels*.csv labels*.tsv classes.csv class_*.csv *_tags.csv
        checkpoint""",
    ),
    (
        Kind.DATASET,
        """*.jsonl *.jsonl.* *.ndjson *.csv *.csv.* *.tsv *.tsv.* *.parquet *.arrow *.feather *.avro *.orc *.npz *.db
        *.sqlite *.sqlite3 *.duckdb *.tfrecord* *.recordio *.lance *.mds""",
    ),
    (
        Kind.DOC,
        """notice notice.* copying copying.* licence licence.* licence-* copyright copyright.* authors contributors
        citation.* changelog changelog.* use_policy use_policy.* *.license""",
    ),
)

_MODCTL: tuple[tuple[Kind, str], ...] = (
    (
        Kind.CONFIG,
        """*.json *.jsonl *.json5 *.jsonc *.yaml *.yml *.toml *.ini *.config *.cfg *.conf *.properties *.props *.prop
        *.xml *.xsd *.rng *.modelcard *.meta *tokenizer.model* *.tiktoken vocab.txt merges.txt added_tokens.txt
        spiece.model sentencepiece*.model sentencepiece*.vocab tiktoken.model chat_template.jinja config.json.*
        *.hparams *.params *.hyperparams *.wandb *.mlflow *.tensorboard""",
    ),
    (
        Kind.WEIGHT,
        """*.safetensors *.bin *.bin.* *.pt *.pth *.mar *.pte *.pt2 *.ptl *.tflite *.h5 *.hdf *.hdf5 *.pb *.meta
        *.data-* *.index *.gguf *.gguf.* *.ggml *.ggmf *.ggjt *.q4_0 *.q4_1 *.q5_0 *.q5_1 *.q8_0 *.f16 *.f32 *.ckpt
        *.checkpoint *.dist_ckpt tensor[0-9]*_[0-9]* *.tensor *.weights *.state *.embedding *.vocab *.ot *.engine
        *.trt *.onnx *.onnx_data* *.msgpack *.model *.pkl *.pickle *.keras *.joblib *.npy *.npz *.nc *.mlmodel
        *.coreml *.mil *.mleap *.surml *.llamafile *.llamafile.* *.caffemodel *.prototxt *.dlc *.circle *.nb *.arrow
        *.parquet *.ftz *.ark *.db""",
    ),
    (
        Kind.CODE,
        """*.py *.ipynb *.sh *.patch *.c *.h *.hxx *.cpp *.cc *.cxx *.c++ *.hpp *.hh *.h++ *.java *.js *.mjs *.cjs *.jsx
        *.ts *.tsx *.go *.rs *.swift *.rb *.php *.scala *.kt *.kts *.r *.R *.m *.mm *.f *.f90 *.f95 *.f03 *.f08 *.jl
        *.lua *.pl *.pm *.cs *.vb *.dart *.groovy *.elm *.erl *.hrl *.ex *.exs *.hs *.lhs *.clj *.cljs *.cljc *.cl
        *.lisp *.lsp *.scm *.ss *.rkt *.sql *.psql *.mysql *.sqlite *.zig *.cu *.cuh *.bash *.zsh *.fish *.csh *.tcsh
        *.ksh *.ps1 *.psm1 *.psd1 *.bat *.cmd *.vbs *.wsf *.applescript *.scpt *.awk *.sed *.expect *.env *.env.*
        .env* Makefile* *.dockerfile Dockerfile* *.mk *.cmake CMakeLists.txt *.gradle *.gradle.kts build.gradle*
        settings.gradle* *.sbt *.mill *.bazel *.bzl BUILD* WORKSPACE* *.buck BUCK* *.ninja *.gyp *.gypi *.waf
        wscript* package.json package-lock.json yarn.lock pnpm-lock.yaml requirements*.txt Pipfile* pyproject.toml
        setup.cfg tox.ini poetry.lock Cargo.toml Cargo.lock go.mod go.sum composer.json composer.lock Gemfile*
        *.gemspec mix.exs mix.lock rebar.config rebar.lock *.so *.dll *.dylib *.lib *.a""",
    ),
    (
        Kind.DOC,
        """*.txt *.md *.pdf LICENSE* README* SETUP* *requirements* *.log *.tfevents* *.doc *.docx *.docm *.dot *.dotx
        *.dotm *.rtf *.odt *.ott *.fodt *.pages *.wpd *.xls *.xlsx *.xlsm *.xlsb *.xlt *.xltx *.xltm *.ods *.ots
        *.fods *.numbers *.csv *.ppt *.pptx *.pptm *.pps *.ppsx *.ppsm *.pot *.potx *.potm *.odp *.otp *.fodp *.key
        *.epub *.mobi *.azw *.azw3 *.fb2 *.fb3 *.lit *.pdb *.djvu *.djv *.html *.htm *.xhtml *.mhtml *.mht *.xml
        *.xsl *.xslt *.tex *.latex *.ltx *.bib *.rst *.asciidoc *.adoc *.textile *.wiki *.mediawiki *.org *.texi
        *.texinfo *.info *.man *.chm *.hlp *.xps *.jpg *.jpeg *.png *.gif *.bmp *.tiff *.ico *.webp *.heic *.heif
        *.hevc *.svg *.mp4 *.mov *.avi *.mkv *.webm *.m4v *.flv *.wmv *.mpg *.mpeg""",
    ),
)

# What is text, picture or sound is data where its folder says so (in small letters: a Core ML package has a "Data").
_DATA_FOLDERS = frozenset({"data", "dataset", "datasets"})
_DATA_FILES = """*.json *.json.* *.txt *.txt.* *.xml *.npy *.jpg *.jpeg *.png *.gif *.bmp *.tif *.tiff *.webp *.wav *.flac *.mp3
*.ogg *.opus *.m4a *.mp4 *.mov *.avi *.mkv *.webm *.zip *.tar *.tar.* *.tgz *.gz *.zst"""


@dataclass(frozen=True, slots=True)
class Classifier:
    """The caller's own rules (pattern to kind, the first that matches wins), and then the tables."""

    rules: tuple[tuple[Glob, Kind], ...] = ()

    @classmethod
    def of(cls, kinds: Mapping[str, Kind]) -> Self:
        """Rules from patterns as text. Raises InputError."""
        return cls(tuple((Glob.parse(pattern), kind) for pattern, kind in kinds.items()))

    def kind(self, path: str, size: int) -> tuple[Kind, bool]:
        """The kind of a file, and whether only its size (bytes) suggested it."""
        for pattern, kind in self.rules:
            if pattern.matches_within(path):
                return kind, False
        known = _by_name(path)
        if known is not None:
            return known, False
        return (Kind.WEIGHT if size > BIG else Kind.CODE), True


def _by_name(path: str) -> Kind | None:
    *folders, name = path.split("/")
    name = name.lower()
    if not _DATA_FOLDERS.isdisjoint(folders) and _data_file().fullmatch(name):
        return Kind.DATASET
    return next((kind for kind, pattern in _tables() if pattern.fullmatch(name)), None)


@cache
def _tables() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    return tuple((kind, _any_of(names.split())) for kind, names in (*_CORRECTIONS, *_MODCTL))


@cache
def _data_file() -> re.Pattern[str]:
    return _any_of(_DATA_FILES.split())


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """One expression for many patterns, for names in lower case."""
    return re.compile("|".join(component(pattern.lower()).pattern for pattern in patterns), re.DOTALL)
