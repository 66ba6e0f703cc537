"""Several processes that sign one model at the same moment: no signature is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

import modelpack
from modelpack import PrivateKey, SignedBy
from tests.interop.signing.published import LAYOUTS, Cosign, Holder, Publish
from tests.real.registries import Registry

PROGRAM = """
import os, sys
from pathlib import Path
import modelpack
from modelpack.errors import NoSignature
reference, *keys = sys.argv[1:]
signers = [modelpack.PrivateKey.load(Path(key).read_bytes()) for key in keys]
try:
    modelpack.verify(reference, policy=modelpack.SignedBy(signers[0].public_key))  # so that everything is imported
except NoSignature:
    pass
waiting, go = os.pipe()
children = []
for signer in signers:
    if not (child := os.fork()):
        os.close(go)
        os.read(waiting, 1)  # ends when the parent has started all
        modelpack.sign(reference, signer)
        os._exit(0)
    children.append(child)
os.close(waiting)
os.close(go)
print(*(os.waitpid(child, 0)[1] for child in children))
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
    keys = [who.pem_file for who in signing]
    arguments = [sys.executable, "-c", PROGRAM, model.reference, *map(str, keys)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout.split(), done.stderr) == (["0"] * number, "")
    everybody = SignedBy(*(who.public for who in signing), threshold=number)
    evidence = modelpack.verify(model.reference, policy=everybody).evidence
    assert len(evidence.signatures) == 3 * number
    assert {one.status for one in evidence.signatures} == {"verified"}
    for layout in LAYOUTS:
        assert cosign.refusal(signing[-1].public_file, model.reference, layout) == ""
