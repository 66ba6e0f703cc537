r"""What a user writes down, against what a certificate has. The escapes are RFC 4514's: ``\,`` and ``\C3``."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import InputError
from modelpack.trust.x509 import MANDATORY, Alternative, Name, Subject
from modelpack.trust.x509.names import MAX_TEXT

SIGNER = Name((("C", "US"), ("ST", "WA"), ("O", "acme"), ("CN", "signer")))


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("C=US, ST=WA, O=acme, CN=signer", True),
        ("C=US,ST=WA,O=acme", True),
        ("O=acme;S=WA;C=US", True),
        ("  c = US ,  st=WA, o=acme  ", True),
        ("CN=signer", True),
        ("CN=Signer", False),
        ("CN=signe", False),
        ("CN=signer ,OU=x", False),
        ("C=US, ST=WA, O=acme, CN=signer, L=x", False),
        ("CN=\\73igner", True),
    ],
)
def test_a_subject_is_part_of_the_certificates(text: str, matches: bool) -> None:
    assert Subject.parse(text).matches(SIGNER) == matches


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("CN=a\\, b", "a, b"),
        ("CN=a\\;b\\\\c\\=d", "a;b\\c=d"),
        ("CN=\\ a\\ ", " a "),
        ("CN=\\#1", "#1"),
        ("CN=a#1", "a#1"),
        ('CN=a\\+b\\<c\\>d\\"e', 'a+b<c>d"e'),
        ("CN=Gr\\C3\\B6\\C3\\9fe", "Größe"),
        ("CN=Größe 模型", "Größe 模型"),
        ("CN=a=b", "a=b"),
        ("CN=a  b  ", "a  b"),
    ],
)
def test_escapes(text: str, value: str) -> None:
    assert Subject.parse(text).wanted == (("CN", value),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "without a known type"),
        ("signer", "without a known type"),
        ("XY=a", "without a known type"),
        ("CN=a,", "without a known type"),
        ("CN=", "empty value"),
        ("CN=  ", "empty value"),
        ("CN=a, CN=b", "CN twice"),
        ("ST=a, S=b", "ST twice"),
        ("CN=a+O=b", "'\\+', which must stand behind"),
        ("CN=#0102", "'#', which must"),
        ('CN="a"', "which must stand"),
        ("CN=a\\", "backslash before something"),
        ("CN=a\\x", "backslash before something"),
        ("CN=a\\4", "backslash before something"),
        ("CN=a\\ff", "not UTF-8"),
        ("CN=" + "a" * MAX_TEXT, "characters"),
    ],
)
def test_subjects_that_mean_nothing(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Subject.parse(text)


def test_country_state_and_organisation_may_be_demanded() -> None:
    assert Subject.parse("C=US, S=WA, O=acme", mandatory=MANDATORY)
    with pytest.raises(InputError, match="lacks ST, O"):
        Subject.parse("C=US, CN=signer", mandatory=MANDATORY)


def test_a_type_that_a_certificate_has_twice_matches_nothing() -> None:
    """Or else a signer with two organisations could pass for either."""
    assert not Subject.parse("O=acme").matches(Name((("O", "acme"), ("O", "evil"))))
    assert not Subject.parse("O=acme").matches(Name((("O", "evil"), ("O", "acme"))))


def test_overlaps() -> None:
    wide, narrow = Subject.parse("C=US, O=acme"), Subject.parse("O=acme, C=US, CN=x")
    assert wide.overlaps(narrow)
    assert narrow.overlaps(wide)
    assert not narrow.overlaps(Subject.parse("C=US, O=acme, CN=y"))


@given(st.text(min_size=1, max_size=20).filter(lambda text: text.encode(errors="replace").decode() == text))
@settings(deadline=None, max_examples=150, derandomize=True)
def test_what_is_printed_can_be_read_again(value: str) -> None:
    name = Name((("O", "acme"), ("CN", value)))
    assert Subject.parse(str(name)).wanted == name.pairs


@given(st.text(max_size=40) | st.text(alphabet='CN=, \\+#;aO"4', max_size=40))
@settings(deadline=None, max_examples=150, derandomize=True)
def test_nothing_else_escapes_from_garbage(text: str) -> None:
    try:
        Subject.parse(text)
        Alternative.parse(text)
    except InputError:
        pass


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("a@acme.example", "email", "a@acme.example"),
        ("acme.example", "dns", "acme.example"),
        ("https://acme.example/a@b", "uri", "https://acme.example/a@b"),
        ("email:a@b", "email", "a@b"),
        ("uri:urn:x", "uri", "urn:x"),
        ("dns:x", "dns", "x"),
    ],
)
def test_alternative_names(text: str, kind: str, value: str) -> None:
    found = Alternative.parse(text)
    assert (found.kind, found.value) == (kind, value)
    assert str(found) == f"{kind}:{value}"


@pytest.mark.parametrize("text", ["", "email:", "x" * (MAX_TEXT + 1)])
def test_alternative_names_that_are_none(text: str) -> None:
    with pytest.raises(InputError):
        Alternative.parse(text)
