"""References as docker, skopeo and oras users write them."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InvalidReference
from modelpack.oci import Digest, Reference

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX * 2}"

REGISTRIES = [
    # text, registry, repository, tag, digest, the same in full
    ("registry.example/ml/minilm:v1", "registry.example", "ml/minilm", "v1", "", ""),
    ("registry.example/ml/minilm", "registry.example", "ml/minilm", "", "", ""),
    ("registry.example/x", "registry.example", "x", "", "", ""),
    ("registry.example:5000/x:1", "registry.example:5000", "x", "1", "", ""),
    ("localhost/x", "localhost", "x", "", "", ""),
    ("localhost:5000/x", "localhost:5000", "x", "", "", ""),
    ("localhost:5000/x:latest", "localhost:5000", "x", "latest", "", ""),
    ("127.0.0.1:5000/a/b/c/d:t", "127.0.0.1:5000", "a/b/c/d", "t", "", ""),
    ("[::1]:5000/x:1", "[::1]:5000", "x", "1", "", ""),
    ("[::1]/x", "[::1]", "x", "", "", ""),
    ("[2001:DB8::1]:443/x", "[2001:db8::1]:443", "x", "", "", "[2001:db8::1]:443/x"),
    ("Registry.Example/x", "registry.example", "x", "", "", "registry.example/x"),
    # docker's defaults
    ("minilm", "docker.io", "library/minilm", "", "", "docker.io/library/minilm"),
    ("minilm:v1", "docker.io", "library/minilm", "v1", "", "docker.io/library/minilm:v1"),
    ("ml/minilm", "docker.io", "ml/minilm", "", "", "docker.io/ml/minilm"),
    ("docker.io/minilm", "docker.io", "library/minilm", "", "", "docker.io/library/minilm"),
    ("docker.io/ml/minilm:v1", "docker.io", "ml/minilm", "v1", "", ""),
    ("index.docker.io/ml/minilm", "docker.io", "ml/minilm", "", "", "docker.io/ml/minilm"),
    ("registry-1.docker.io/minilm", "docker.io", "library/minilm", "", "", "docker.io/library/minilm"),
    ("localhost:5000", "docker.io", "library/localhost", "5000", "", "docker.io/library/localhost:5000"),
    # digests
    (f"registry.example/x@{SHA256}", "registry.example", "x", "", SHA256, ""),
    (f"registry.example/x:v1@{SHA256}", "registry.example", "x", "v1", SHA256, ""),
    (f"registry.example/x@{SHA512}", "registry.example", "x", "", SHA512, ""),
    # names with every separator
    ("r.example/a-b/c__d/e.f/g---h/0_1", "r.example", "a-b/c__d/e.f/g---h/0_1", "", "", ""),
    ("r.example/x:_A.b-C", "r.example", "x", "_A.b-C", "", ""),
    (f"r.example/x:{'t' * 128}", "r.example", "x", "t" * 128, "", ""),
    ("  r.example/x:v1\n", "r.example", "x", "v1", "", "r.example/x:v1"),
    ("r.example:65535/x", "r.example:65535", "x", "", "", ""),
    (f"{'a' * 63}.example/x", f"{'a' * 63}.example", "x", "", "", ""),
    (f"r.example/{'a' * 255}", "r.example", "a" * 255, "", "", ""),
]


@pytest.mark.parametrize(("text", "registry", "repository", "tag", "digest", "full"), REGISTRIES)
def test_a_registry(text: str, registry: str, repository: str, tag: str, digest: str, full: str) -> None:
    reference = Reference.parse(text)
    assert reference == Reference(registry, repository, "", tag, Digest.parse(digest) if digest else None)
    assert str(reference) == (full or text)
    assert Reference.parse(str(reference)) == reference
    assert reference.name == (digest or tag or "latest")
    assert reference.local_name == f"{registry}/{repository}:{tag or 'latest'}"


LAYOUTS = [
    ("oci:models", "models", "", ""),
    ("oci:/srv/models:v1", "/srv/models", "v1", ""),
    ("oci:./my models:registry.example/ml/minilm", "./my models", "registry.example/ml/minilm", ""),
    (f"oci:models@{SHA256}", "models", "", SHA256),
    (f"oci:models:v1@{SHA256}", "models", "v1", SHA256),
    ("oci:models:r.example:5000/x:v1", "models", "r.example:5000/x:v1", ""),
    ("oci:..", "..", "", ""),
]


@pytest.mark.parametrize(("text", "layout", "tag", "digest"), LAYOUTS)
def test_a_layout(text: str, layout: str, tag: str, digest: str) -> None:
    reference = Reference.parse(text)
    assert reference == Reference("", "", layout, tag, Digest.parse(digest) if digest else None)
    assert str(reference) == text
    assert reference.name == (digest or tag)
    assert reference.local_name == f"oci:{layout}:{tag or 'latest'}"


INVALID = [
    # text, words of the message, words of the hint
    ("", "not a repository name", "write host/repository:tag"),
    ("   ", "not a repository name", "write host/repository:tag"),
    (".", "not a repository name", "write host/repository:tag"),
    ("r.example/", "not a repository name", "write host/repository:tag"),
    ("r.example/ML/MiniLM", "'ML/MiniLM' is not a repository name", "lower-case: ml/minilm"),
    ("MiniLM", "not a repository name", "lower-case: library/minilm"),
    ("r.example/a//b", "not a repository name", "parts of"),
    ("r.example/a..b", "not a repository name", "parts of"),
    ("r.example/a___b", "not a repository name", "parts of"),
    ("r.example/-a", "not a repository name", "parts of"),
    ("r.example/a-", "not a repository name", "parts of"),
    ("r.example/../etc", "not a repository name", "parts of"),
    ("r.example/a b", "not a repository name", "parts of"),
    ("r.example/ä", "not a repository name", "parts of"),
    (f"r.example/{'a' * 256}", "not a repository name", "parts of"),
    ("r.example/x:", "'' is not a tag", "up to 128"),
    ("r.example/x:.v1", "not a tag", "up to 128"),
    ("r.example/x:-v1", "not a tag", "up to 128"),
    ("r.example/x:v 1", "not a tag", "up to 128"),
    ("r.example/x:a:b", "not a tag", "up to 128"),
    (f"r.example/x:{'t' * 129}", "not a tag", "up to 128"),
    ("r.example/x@sha256:abc", "64 lower-case hexadecimal", "@sha256:<64"),
    (f"r.example/x@{SHA256.upper()}", "not supported", "@sha256:<64"),
    (f"r.example/x@md5:{'0' * 32}", "'md5' is not supported", "@sha256:<64"),
    ("r.example/x@", "not a digest", "@sha256:<64"),
    ("user:hunter2@r.example/x", "not a digest", "@sha256:<64"),
    ("r.example:0/x", "not a registry host", "host:port"),
    ("r.example:65536/x", "not a registry host", "host:port"),
    ("r.example:/x", "not a registry host", "host:port"),
    ("r.example:port/x", "not a registry host", "host:port"),
    ("-r.example/x", "not a registry host", "host:port"),
    ("r..example/x", "not a registry host", "host:port"),
    ("my_registry.example/x", "not a registry host", "host:port"),
    (f"{'a' * 64}.example/x", "not a registry host", "host:port"),
    (f"{'.'.join(['a' * 60] * 5)}/x", "not a registry host", "host:port"),
    ("[::1/x", "not a registry host", "host:port"),
    ("[:::]/x", "not a registry host", "host:port"),
    ("[1.2.3.4]:5000/x", "not a registry host", "host:port"),
    ("::1/x", "not a registry host", "host:port"),
    (f"r.example/{'a/' * 600}", "a reference of", "host/repository:tag"),
    ("https://r.example/ml/x:v1", "https://… is a URL", "leave the scheme out: r.example/ml/x:v1"),
    ("docker://r.example/x", "is a URL", "leave the scheme out: r.example/x"),
    ("oci://r.example/x", "is a URL", "leave the scheme out: r.example/x"),
    (f"oras://r.example/x@{SHA256}", "is a URL", f"leave the scheme out: r.example/x@{SHA256}"),
    ("https://user:hunter2@r.example/x", "https://… is a URL", "leave the scheme out: r.example/x"),
    ("oci:", "names no folder", "oci:PATH"),
    ("oci::v1", "names no folder", "oci:PATH"),
    ("oci:a\0b", "names no folder", "oci:PATH"),
    ("oci:models:-x", "not a name that a layout can hold", ""),
    (f"oci:models:{'t' * 513}", "not a name that a layout can hold", ""),
    ("oci:models@sha256:0", "64 lower-case hexadecimal", "@sha256:<64"),
]


@pytest.mark.parametrize(("text", "message", "hint"), INVALID)
def test_not_a_reference(text: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert "hunter2" not in str(caught.value) + caught.value.hint
    assert "\n" not in str(caught.value)


def test_pinned() -> None:
    digest = Digest.parse(SHA256)
    assert str(Reference.parse("r.example/x:v1").pinned(digest)) == f"r.example/x:v1@{SHA256}"
    assert Reference.parse("r.example/x:v1").pinned(digest).name == SHA256


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a-" * 500_000, "oci:" + "a" * 1_000_000, "r.example/" + "a." * 500_000]
)
def test_long_text_costs_little_time(text: str) -> None:
    begun = time.monotonic()
    with suppress(InvalidReference):
        Reference.parse(text)
    assert time.monotonic() - begun < 10


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="aZ0.-_/:@[]o ci\nä\0", max_size=40))
def test_any_text_is_a_reference_that_reads_back_or_is_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except InvalidReference:
        return
    assert Reference.parse(str(reference)) == reference


def test_the_place_in_a_registry() -> None:
    assert Reference.parse("registry.example/ml/minilm:v1").place == "registry.example/ml/minilm"
    assert Reference.parse("minilm").place == "docker.io/library/minilm"
    assert Reference.parse("oci:folder:v1").place == ""
