"""Models that Kubernetes' manifests refer to, in all the places where people write them; and manifests that are made to hurt."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.audit.facts import Artifact, Sort
from modelpack.audit.findings import Subject
from modelpack.audit.policy import Settings
from modelpack.audit.rules import EstateRule, PinnedWorkloads
from modelpack.audit.state import State, StoredEstate
from modelpack.audit.workloads import read_workloads, reading, references_in, walking
from modelpack.errors import DocumentError, InputError
from modelpack.oci import Reference

PIN = f"@sha256:{'a' * 64}"
DEPLOYMENT = f"""
# two documents, anchors, and nothing of interest in the first
apiVersion: v1
kind: ConfigMap
metadata: {{name: c}}
data: {{key: "oci"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: vllm, namespace: ml}}
spec:
  template:
    metadata:
      annotations:
        acme.example/model-reference: registry.example/ml/annotated:v1
        modelpack.example/reference: registry.example/ml/annotated:v2
        checksum/config: registry.example/not/this:v1
    spec:
      initContainers:
        - name: model
          image: registry.example/tools/modelpack:0.1.0
          args: [stage, 'registry.example/ml/llama:v3{PIN}', --to=/cache, --name, llama]
          env: &env
            - {{name: HOME, value: /tmp}}
        - name: second
          image: registry.example/tools/modelpack:0.1.0
          args: [stage, registry.example/ml/minilm:v1, --to=/cache]
          env: *env
      containers:
        - name: vllm
          image: docker.io/vllm/vllm-openai:v0.11.0
          args: [--model=/models]
      volumes:
        - name: mounted
          image: {{reference: registry.example/ml/mounted:v1-image}}
        - name: driver
          csi:
            driver: model.csi.modelpack.org
            volumeAttributes: {{model.csi.modelpack.org/reference: "registry.example/ml/driver:v1", type: image}}
"""


def told(text: str) -> list[str]:
    """References, in the order of the file."""
    return [str(one.reference) for one in references_in(text).found]


def pod(container: str) -> str:
    """A pod with one container, written in flow style."""
    return f"kind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{container}]}}\n"


def test_a_deployment() -> None:
    found = references_in(DEPLOYMENT, "k8s/vllm.yaml")
    assert found.unread == ()
    assert [(str(one.reference), one.is_pinned) for one in found.found] == [
        ("registry.example/ml/annotated:v2", False),
        (f"registry.example/ml/llama:v3{PIN}", True),
        ("registry.example/ml/minilm:v1", False),
        ("registry.example/ml/mounted:v1-image", False),
        ("registry.example/ml/driver:v1", False),
    ]
    first = found.found[1]
    assert first.place == "k8s/vllm.yaml#2 spec.template.spec.initContainers[0].args[1]"
    assert first.workload == "Deployment ml/vllm"
    assert first.to_json() == {
        "reference": f"registry.example/ml/llama:v3{PIN}",
        "pinned": True,
        "file": "k8s/vllm.yaml",
        "document": 2,
        "path": "spec.template.spec.initContainers[0].args[1]",
        "workload": "Deployment ml/vllm",
    }
    assert found.found[-1].path.endswith('csi.volumeAttributes."model.csi.modelpack.org/reference"')


@pytest.mark.parametrize(
    ("uri", "reference"),
    [
        ("modelpack://registry.example/ml/a:v1", "registry.example/ml/a:v1"),
        ("oci://registry.example/ml/a", "registry.example/ml/a"),
        ("oci+fetch://registry.example:5000/ml/a:v1", "registry.example:5000/ml/a:v1"),
        ("kit://jozu.ml/org/a:latest", "jozu.ml/org/a:latest"),
        (f"oci+native://localhost/a{PIN}", f"localhost/a{PIN}"),
        ("hf://org/name", None),
        ("s3://bucket/key", None),
        ("pvc://claim/a", None),
        ("modelpack://", None),
        ("modelpack://no-host/a", None),
        ("oci://user:secret@registry.example/a:v1", None),
        ("https://registry.example/ml/a:v1", None),
        ("oci://./a", None),
    ],
)
def test_urls(uri: str, reference: str | None) -> None:
    text = json.dumps({"kind": "InferenceService", "spec": {"predictor": {"model": {"storageUri": uri}}}})
    found = references_in(text)
    assert [str(one.reference) for one in found.found] == ([reference] if reference else [])
    if reference:
        assert found.found[0].path == "spec.predictor.model.storageUri"


@pytest.mark.parametrize(
    ("container", "references"),
    [
        ("{command: [modelpack, stage], args: [ml/llama:v3, --to, /x]}", ["docker.io/ml/llama:v3"]),
        ("{command: [/usr/bin/modelpack, pull, r.example/a:v1, -o, r/x]}", ["r.example/a:v1"]),
        ("{args: [stage, prefetch, r.example/a:v1, r.example/b:v1, --to=/c]}", ["r.example/a:v1", "r.example/b:v1"]),
        ("{args: [stage, --policy, policies/x.yaml, r.example/a:v1]}", ["r.example/a:v1"]),
        ("{command: [kit, unpack, 'r.example/a:v1']}", ["r.example/a:v1"]),
        (
            "{command: [sh, -c, 'set -e; modelpack stage r.example/a:v1 --to /x && exec vllm # r.example/b:v1']}",
            ["r.example/a:v1"],
        ),
        ("{command: [sh, -c, 'modelpack stage \"r.example/a:v1 --to']}", []),
        ('{command: [sh, -c, "it\'s modelpack stage r.example/a:v1 x"]}', ["r.example/a:v1"]),
        ("{image: r.example/t/modelpack:1, args: [-q, stage, r.example/a:v1]}", ["r.example/a:v1"]),
        ("{args: [-q, stage, r.example/a:v1]}", []),
        ("{command: [python, serve.py, r.example/a:v1]}", []),
        ("{args: [stage, gc, --to=/cache]}", []),
        ("{args: [stage, 'modelpack://r.example/a:v1']}", ["r.example/a:v1"]),
        ("{args: [stage, $(REF)], env: [{name: REF, value: 'r.example/a:v1'}]}", ["r.example/a:v1"]),
        ("{args: [stage, $(HOST)/a:v1], env: [{name: HOST, value: r.example}]}", ["r.example/a:v1"]),
        ("{env: [{name: MODELKIT_REF, value: 'r.example/a:v1'}]}", ["r.example/a:v1"]),
        (
            "{env: [{name: ACME_MODEL_REFERENCE, value: ml/a:v1}, {name: MODEL_REF, value: /models}]}",
            ["docker.io/ml/a:v1"],
        ),
        (
            "{env: [{name: MODEL_URI, value: 'oci://r.example/a:v1'}, {name: MODEL_URI, value: 'hf://a/b'}]}",
            ["r.example/a:v1"],
        ),
        ("{env: [{name: HOME, value: r.example/a}, 1, {name: 1}, {name: MODEL_REF}], args: 5, command: [[x]]}", []),
        ("{env: x, args: [stage, ml/UPPER]}", []),
        ("5", []),
    ],
)
def test_containers(container: str, references: list[str]) -> None:
    assert told(pod(container)) == references


@pytest.mark.parametrize(
    ("container", "path"),
    [
        ("{args: [stage, $(REF)]}", "spec.containers[0].args[1]"),
        (
            "{env: [{name: MODELKIT_REF, valueFrom: {configMapKeyRef: {name: a, key: b}}}]}",
            "spec.containers[0].env[0].value",
        ),
    ],
)
def test_what_stands_elsewhere_is_told(container: str, path: str) -> None:
    found = references_in(pod(container), "f.yaml")
    assert found.found == ()
    (unread,) = found.unread
    assert unread.place == f"f.yaml#1 {path}"
    assert "stands elsewhere" in unread.reason


def test_other_objects() -> None:
    assert told("kind: ClusterStorageContainer\nspec: {container: {args: [stage, r.example/a:v1]}}") == [
        "r.example/a:v1"
    ]
    assert told("kind: Pod\nspec: {container: 1, containers: {a: b}, image: {reference: [x]}, annotations: []}") == []
    assert told("spec: {image: {reference: nothing}}") == []
    assert told("") == []
    assert told("- a\n- oci://r.example/a:v1\n") == ["r.example/a:v1"]


def test_what_kubectl_prints() -> None:
    pods = [
        {
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "x"},
            "spec": {"volumes": [{"image": {"reference": f"r.example/{name}:v1"}}]},
        }
        for name in "ab"
    ]
    for text in (json.dumps({"kind": "List", "items": pods}), json.dumps({"kind": "PodList", "items": pods}, indent=2)):
        found = references_in(text)
        assert [(one.workload, one.path) for one in found.found] == [
            ("Pod x/a", "items[0].spec.volumes[0].image.reference"),
            ("Pod x/b", "items[1].spec.volumes[0].image.reference"),
        ]


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text("x: oci://r.example/a:v1")
    (tmp_path / "sub/b.yml").write_text("x: oci://r.example/b:v1")
    (tmp_path / "sub/c.json").write_text('{"x": "oci://r.example/a:v1"}')
    (tmp_path / "notes.txt").write_text("x: oci://r.example/d:v1")
    (tmp_path / "sub/loop.yaml").symlink_to(tmp_path)
    found = read_workloads([tmp_path])
    assert [str(one.reference) for one in found.found] == ["r.example/a:v1", "r.example/b:v1", "r.example/a:v1"]
    assert found.references == (Reference.parse("r.example/a:v1"), Reference.parse("r.example/b:v1"))
    assert found.files == 3
    assert len(read_workloads([tmp_path / "notes.txt"]).found) == 1
    assert read_workloads([]).files == 0
    with pytest.raises(InputError):
        read_workloads([tmp_path / "none.yaml"])


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "b.yaml").write_text("x: oci://r.example/a:v1\n---\nx: [\n")
    found = read_workloads([tmp_path])
    assert [str(one.reference) for one in found.found] == ["r.example/a:v1"]
    assert [(one.document, one.reason[:20]) for one in found.unread] == [
        (0, "not text in UTF-8"),
        (1, "not YAML: did not fi"),
    ]
    assert found.unread[0].place == str(tmp_path / "a.yaml")


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_text("- oci://r.example/a:v1\n- oci://r.example/b:v1\n")
    monkeypatch.setattr(reading, "MAX_FOUND", 5)
    with pytest.raises(InputError, match="references"):
        read_workloads([tmp_path])
    monkeypatch.setattr(reading, "MAX_FOUND", 1)
    assert [one.reason for one in references_in((tmp_path / "a.yaml").read_text()).unread] == [
        "more than 1 references in one file"
    ]
    monkeypatch.setattr(reading, "MAX_FOUND", 100)
    monkeypatch.setattr(reading, "MAX_FILES", 2)
    with pytest.raises(InputError, match="more than 2 manifests"):
        read_workloads([tmp_path])


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rglob", fail)
    with pytest.raises(InputError, match="Permission denied"):
        read_workloads([tmp_path])


def test_a_billion_laughs() -> None:
    """Aliases of aliases are walked up to a bound, not expanded; a chain of them is not followed for ever."""
    laughs = "".join(
        f"{name}: &{name} [{','.join([f'*{below}'] * 9)}]\n" for below, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (unread,) = references_in("a: &a [oci]\n" + laughs).unread
    assert str(walking.MAX_STEPS) in unread.reason
    chain = "a0: &a0 x\n" + "".join(f"a{number + 1}: &a{number + 1} [*a{number}]\n" for number in range(5000))
    (unread,) = references_in(chain).unread
    assert "nested deeper" in unread.reason
    (unread,) = references_in("a: &a [*a]").unread
    assert "alias" in unread.reason


def test_long_commands_are_cut() -> None:
    args = ", ".join(["stage", *["x"] * 2000, "r.example/a:v1"])
    assert told(pod(f"{{args: [{args}]}}")) == []
    script = "modelpack stage r.example/a:v1 " + "x" * (1 << 17)
    assert told(pod(f"{{command: [sh, -c, '{script}']}}")) == []


PIECES = st.sampled_from(
    [
        "containers:",
        "\n",
        "  ",
        "- ",
        "args: [stage, r.example/a:v1]",
        "env: [{name: MODEL_REF, value: r/a}]",
        "&a ",
        "*a",
        "---\n",
        "{",
        "}",
        "[",
        "]",
        "kind: List\n",
        "items:",
        "image: {reference: r.example/b}",
        '"',
        "oci://r.example/c",
        "annotations: {model/ref: r.example/d}",
    ]
)


@given(st.lists(PIECES, max_size=20).map("".join) | st.text(max_size=40))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_nothing_escapes(text: str) -> None:
    found = references_in(text)
    assert all(one.place for one in found.found)
    assert all(one.place for one in found.unread)
    with contextlib.suppress(DocumentError):
        list(
            walking.Walk("x").references(
                {"containers": [{"args": [text], "env": [{"name": "MODEL_REF", "value": text}]}]}
            )
        )


def test_the_rule(tmp_path: Path) -> None:
    found = references_in(
        DEPLOYMENT + "---\nspec: {containers: [{args: [stage, $(X)]}]}\n---\nx: oci://r.example/a\n---\n[", "k.yaml"
    )
    rule = PinnedWorkloads(found)
    assert isinstance(rule, EstateRule)
    assert list(rule.check(Artifact(Subject("r.example/a"), Sort.MODEL), Settings())) == []
    with State(tmp_path / "a.db") as state:
        hits = list(rule.check_estate(StoredEstate(state), Settings()))
        assert list(PinnedWorkloads().check_estate(StoredEstate(state), Settings())) == []
    loose = [hit for hit in hits if not hit.unchecked]
    assert [str(hit.subject) for hit in loose] == [
        "registry.example/ml/annotated:v2",
        "registry.example/ml/minilm:v1",
        "registry.example/ml/mounted:v1-image",
        "registry.example/ml/driver:v1",
        "r.example/a:latest",
    ]
    assert loose[1].message == "Deployment ml/vllm names it by the tag v1"
    assert loose[-1].message == "a workload names it by no version at all"
    assert [(str(hit.subject), hit.place) for hit in hits if hit.unchecked] == [
        ("k.yaml", "k.yaml#3 spec.containers[0].args[1]"),
        ("k.yaml", "k.yaml#4 line 46"),
    ]


def test_values_that_are_no_text() -> None:
    assert list(walking.Walk("x").references({"x": [None, 5, True]})) == []
