"""How people write where a model comes from."""

from __future__ import annotations

import pytest

from modelpack.attest import Origin, origin
from modelpack.attest.inventory.origins import gguf_origins, without_login
from modelpack.oci import Digest, JSONObject
from tests.attest.samples import COMMIT

DIGEST = Digest.of(b"base")
HUB = "https://huggingface.co/"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("acme/base", Origin("acme/base", f"{HUB}acme/base")),
        ("gpt2", Origin("gpt2", f"{HUB}gpt2")),
        (f"hf://acme/base@{COMMIT}", Origin("acme/base", f"{HUB}acme/base", COMMIT)),
        (f"{HUB}acme/base/tree/{COMMIT}", Origin("acme/base", f"{HUB}acme/base", COMMIT)),
        (f"{HUB}acme/base/tree/main", Origin("acme/base", f"{HUB}acme/base")),
        (f"{HUB}datasets/acme/d/", Origin("acme/d", f"{HUB}datasets/acme/d")),
        (f"hf://datasets/acme/d@{COMMIT}", Origin("acme/d", f"{HUB}datasets/acme/d", COMMIT)),
        (f"{HUB}a/b/c/d", Origin(f"{HUB}a/b/c/d")),
        (
            f"r.example/ml/base:v1@{DIGEST}",
            Origin("r.example/ml/base", f"oci://r.example/ml/base@{DIGEST}", "", DIGEST),
        ),
        (f"oci://r.example/b@{DIGEST}", Origin("r.example/b", f"oci://r.example/b@{DIGEST}", "", DIGEST)),
        ("oci://r.example/b:v1", Origin("r.example/b", "oci://r.example/b:v1")),
        ("oci://r.example/b", Origin("r.example/b", "oci://r.example/b")),
        (f"oci:models@{DIGEST}", Origin(f"oci:models@{DIGEST}", "", "", DIGEST)),
        ("oci://?", Origin("oci://?")),
        ("https://user:pass@host.example/m", Origin("https://host.example/m", "https://host.example/m")),
        ("my own model, unpublished", Origin("my own model, unpublished")),
        ("", Origin("")),
        ("a\nb/c", Origin("a b/c")),
    ],
)
def test_forms(written: str, expected: Origin) -> None:
    assert origin(written) == expected


def test_what_is_known_besides() -> None:
    found = origin("acme/d", dataset=True, relation="merge", source="x", revision=COMMIT)
    assert found == Origin("acme/d", f"{HUB}datasets/acme/d", COMMIT, None, "merge", "x")
    assert origin("acme/d", relation="stolen", revision="main") == Origin("acme/d", f"{HUB}acme/d")
    assert (found.pinned, found.version, Origin("x", digest=DIGEST).version) == (True, COMMIT, str(DIGEST))
    assert found.to_json()["relation"] == "merge"
    assert "commit" not in Origin("x").to_json()


def test_gguf_keys() -> None:
    keys: JSONObject = {
        "general.base_model.count": 4,
        "general.base_model.0.name": "Base",
        "general.base_model.0.organization": "Acme",
        "general.base_model.0.repo_url": f"{HUB}acme/base",
        "general.base_model.1.name": "Other",
        "general.base_model.1.organization": "Acme",
        "general.base_model.2.repo_url": "https://git.example/x",
        "general.dataset.count": 1,
        "general.dataset.0.url": f"{HUB}datasets/acme/d",
    }
    bases, sets = gguf_origins(keys, "m.gguf")
    assert [(item.name, item.uri) for item in bases] == [
        ("acme/base", f"{HUB}acme/base"),
        ("Acme/Other", ""),
        ("https://git.example/x", "https://git.example/x"),
    ]
    assert [(item.uri, item.source) for item in sets] == [(f"{HUB}datasets/acme/d", "m.gguf")]
    assert gguf_origins({"general.base_model.count": True}, "m") == ((), ())


def test_no_password_stays_in_a_url() -> None:
    assert without_login("https://u:p@h/x@y") == "https://h/x@y"
    assert without_login("plain") == "plain"
