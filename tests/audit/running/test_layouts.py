"""Audits of OCI layouts."""

from __future__ import annotations

from pathlib import Path

from modelpack import LayoutStore, SignedBy
from modelpack.trust import KeyIdentity, SignatureFormat, Target, sign
from tests.audit.running.making import NOW, key, put, run, said

TRUST = SignedBy(KeyIdentity(key().public_key, "owner"))


def test_a_layout(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "layout")
    signed = put(store, "v1", fill=b"\x01")
    put(store, "registry.example/ml/x:v2", fill=b"\x02")
    put(store, fill=b"\x03")
    sign(store, Target(signed.descriptor, None), key(), now=NOW, reference="", formats=[SignatureFormat.BUNDLE])
    found, results = run(f"oci:{tmp_path}/layout", tmp_path / "state", trust=TRUST)
    assert results.summary.artifacts == {"model": 3, "attachment": 1}
    assert {
        str(one.subject).removeprefix(f"oci:{tmp_path}/layout").partition("@")[0]
        for one in found
        if one.rule == "MP010"
    } == {
        ":registry.example/ml/x:v2",
        "",
    }
    again, results = run(f"oci:{tmp_path}/layout", tmp_path / "state", trust=TRUST)
    assert [one.key for one in again] == [one.key for one in found]
    assert results.summary.collected == 0
    store.delete(signed.descriptor)
    found, _ = run(f"oci:{tmp_path}/layout", tmp_path / "state", trust=TRUST)
    assert len(said(found, "MP082")) == 1
    assert len(said(found, "MP102")) == 1


def test_one_artifact_of_a_layout(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "layout")
    one = put(store, "v1", fill=b"\x01")
    put(store, "v2", fill=b"\x02")
    for target in (f"oci:{tmp_path}/layout:v1", f"oci:{tmp_path}/layout@{one.descriptor.digest}"):
        found, results = run(target, trust=TRUST)
        assert results.summary.artifacts == {"model": 1}
        assert {one.subject.digest for one in found} == {one.descriptor.digest}


def test_no_layout(tmp_path: Path) -> None:
    found, results = run([f"oci:{tmp_path}/none", f"oci:{tmp_path}/none:v1"])
    assert ([one.rule for one in found], results.complete) == (["MP009", "MP009"], False)
