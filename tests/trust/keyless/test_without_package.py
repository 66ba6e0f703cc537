"""The extra is not installed: it is said, and everything else goes on."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from modelpack.errors import CannotVerify, InputError, UntrustedIdentity
from modelpack.trust.keyless import KeylessIdentity, sign_keyless
from modelpack.trust.seal import Circumstances, Form, Seal
from tests.trust.keyless.authority import ALICE, ISSUER, STATEMENT, Instance, seal_of

HINT = "pip install 'modelpack-toolkit[keyless]'"
NOW = Circumstances(datetime(2026, 11, 24, tzinfo=UTC))


@pytest.fixture(autouse=True)
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "sigstore" or name.startswith("sigstore.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sigstore", None)


def test_verifying(instance: Instance) -> None:
    with pytest.raises(CannotVerify, match="needs the extra keyless") as caught:
        KeylessIdentity("alice", ALICE, ISSUER, instance.trusted_root()).check(seal_of(instance.sign()), NOW)
    assert caught.value.hint == HINT


def test_what_is_not_keyless_is_still_told_apart() -> None:
    with pytest.raises(UntrustedIdentity):
        KeylessIdentity("alice", ALICE, ISSUER).check(Seal(Form.SIMPLE, b"{}", b"x"), NOW)


def test_signing() -> None:
    with pytest.raises(InputError, match="needs the extra keyless") as caught:
        sign_keyless(STATEMENT, token="a.b.c")
    assert caught.value.hint == HINT


def test_it_is_not_loaded_before_it_is_needed() -> None:
    program = "import sys, modelpack.trust.keyless; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"sigstore", "pydantic", "cryptography", "requests"} & set(done.stdout.split()) == set()
