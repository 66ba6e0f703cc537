"""Several processes that sign one model at the same moment: no signature is lost."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest

import modelpack
from modelpack import PrivateKey, SignedBy
from tests.interop.signing.published import LAYOUTS, Cosign, Holder, Publish
from tests.real.registries import Registry

PROGRAM = """
import sys
from pathlib import Path
import modelpack
from modelpack.errors import NoSignature
from modelpack.trust import SignedBy
reference, key = sys.argv[1:]
signer = modelpack.PrivateKey.load(Path(key).read_bytes())
try:
    modelpack.verify(reference, policy=SignedBy(signer.public_key))  # everything is imported
except NoSignature:
    pass
print("ready", flush=True)
sys.stdin.readline()
modelpack.sign(reference, signer)
"""


@pytest.fixture(scope="module")
def holders(tmp_path_factory: pytest.TempPathFactory) -> list[Holder]:
    """Eight people with a key each."""
    return [Holder(PrivateKey.generate(), tmp_path_factory.mktemp("writer")) for _ in range(8)]


@pytest.mark.parametrize("number", [2, 8])
def test_no_signature_is_lost(
    registry: Registry, number: int, publish: Publish, holders: list[Holder], cosign: Cosign
) -> None:
    model, signing = publish(registry), holders[:number]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PROGRAM, model.reference, who.pem_file],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for who in signing
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        assert [process.wait(60) for process in processes] == [0] * number
    everybody = SignedBy(*(who.public for who in signing), threshold=number)
    evidence = modelpack.verify(model.reference, policy=everybody).evidence
    assert len(evidence.signatures) == 3 * number
    assert {one.status for one in evidence.signatures} == {"verified"}
    for layout in LAYOUTS:
        assert cosign.refusal(signing[-1].public_file, model.reference, layout) == ""
