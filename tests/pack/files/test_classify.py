from __future__ import annotations

import pytest

from modelpack.oci import Kind
from modelpack.pack.files import BIG, Classifier

TABLE = {
    Kind.CONFIG: """config.json generation_config.json tokenizer.json tokenizer.model tokenizer.model.v3 spiece.model
        sentencepiece.bpe.model source.spm vocab.txt vocab.json vocab.bpe merges.txt added_tokens.txt en.tiktoken
        model.safetensors.index.json pytorch_model.bin.index.json chat_template.jinja template.jinja TEMPLATE.JINJA
        chat.j2 params.yaml openvino_model.xml deploy.prototxt config.pbtxt grammar.gbnf labels.csv selected_tags.csv
        checkpoint model.param data/config.yaml Data/com.apple.CoreML/FeatureDescriptions.json config.json.bak
        mixture.params""",
    Kind.WEIGHT: """model.safetensors MODEL.SAFETENSORS model-00001-of-00002.safetensors pytorch_model.bin optimizer.pt
        training_args.bin model.Q4_K_M.gguf model.gguf.part1 ggml.q4_0 x.q5_k_m model.onnx model.onnx_data model.onnx_data_1
        weights.npz model.npz adapters.npz model-x.npz variables.data-00000-of-00001 variables.index saved_model.pb
        model.ckpt-1000.meta net-0001.params a.dduf a.nemo b.task c.litertlm d.plan model.pkl Data/x/weights/weight.bin
        tensor00001_000 x.lora model.mnn e.ort""",
    Kind.CODE: """modeling_x.py tokenizer.py vocab.py Makefile Dockerfile BUILD.bazel package.json package-lock.json
        pyproject.toml tox.ini setup.cfg Pipfile Cargo.toml composer.json pnpm-lock.yaml uv.lock poetry.lock
        requirements.txt requirements-dev.txt environment.yml docker-compose.yaml CMakeLists.txt run.sh kernel.cu libx.so
        Kitfile notebook.ipynb data/load.py""",
    Kind.DOC: """README README.md readme.rst LICENSE LICENSE.txt license.md LICENCE NOTICE NOTICE.txt COPYING USE_POLICY.md
        CITATION.cff CHANGELOG AUTHORS paper.pdf figure.png demo.mp4 train.log notes.txt events.out.tfevents.123 x.html
        model.safetensors.license""",
    Kind.DATASET: """train.jsonl eval.ndjson train.csv train.csv.gz test.tsv data.parquet data-00000.arrow x.feather
        samples.npz index.db index.sqlite3 shard.tfrecord-00000 data/train.json data/x.wav a/datasets/b/c.png
        dataset/images.zip data/labels.txt""",
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TABLE.items() for name in names.split()])
def test_table(kind: Kind, name: str) -> None:
    assert Classifier().kind(name, 1000) == (kind, False)


@pytest.mark.parametrize(
    "name", ["archive.zip", "model.tar.gz", "unknown", "x.y.z", ".gitattributes", "data/unknown.q"]
)
def test_size_decides_what_no_pattern_knows(name: str) -> None:
    assert Classifier().kind(name, BIG) == (Kind.CODE, True)
    assert Classifier().kind(name, BIG + 1) == (Kind.WEIGHT, True)


def test_the_caller_decides_first() -> None:
    classifier = Classifier.of({"*.json": Kind.DOC, "extra/": Kind.DATASET, "/a.json": Kind.CODE})
    assert classifier.kind("a.json", 1) == (Kind.DOC, False)
    assert classifier.kind("extra/deep/model.bin", 1) == (Kind.DATASET, False)
    assert classifier.kind("model.bin", 1) == (Kind.WEIGHT, False)
