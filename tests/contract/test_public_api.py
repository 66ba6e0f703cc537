"""What users may rely on: names and signatures. A change here is a change for everybody."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import modelpack

NAMES = """
    Access AccessDenied AllOf AnyOf Attested AuditPolicy ContentError Credential Digest DigestMismatch DockerConfig
    DocumentError Event Evidence HttpOptions HubAccess InputError InsecureAcceptAnything Inspection Kind Layout
    LayoutStore ModelConfig ModelPackError NotFound Packed PolicyFile PolicyViolation Prepared PrivateKey PublicKey
    Reference SignedBy StaticCredentials StoreError TLS Unavailable VerificationError Verified __version__ agreement
    attest attest_model audit copy diff evidence fetch inspect lineage list_models list_names login logout pack prepare
    provenance pull push remove rules sign sign_keyless tag tree unpack verify verify_files
"""

SIGNATURES = {
    "audit": """(targets: str | Iterable[str], *, rules: Iterable[Rule] | None = None,
        policy: AuditPolicy | str | Path | None = None, trust: Policy | PolicyFile | None = None,
        state: str | Path | None = None, fresh: timedelta = datetime.timedelta(days=1), resume: bool = True, scrub: int = 0,
        watch: Watch | None = None, access: Access | None = None) -> Audit""",
    "prepare": """(source: str | Path, *, include: Iterable[str] = (), exclude: Iterable[str] = (),
        kinds: Mapping[str, str | Kind] | None = None, modelfile: Path | None = None, kitfile: Path | None = None,
        layout: Layout | None = None, follow_links: bool = False, hub: HubAccess | None = None,
        access: Access | None = None, **fields: str | Iterable[str]) -> Prepared""",
    "pack": """(source: str | Path | Prepared, *, into: Store | str | None = None, created: datetime | None = None,
        annotations: Mapping[str, str] | None = None, provenance: Run | None = None, access: Access | None = None,
        **options: object) -> Packed""",
    "push": """(model: Packed | tuple[LayoutStore, str], reference: str, *, signer: Signer | None = None,
        provenance: Run | None = None, attachments: bool = True, access: Access | None = None) -> Copied""",
    "pull": """(reference: str, destination: str | Path, *, policy: Policy | PolicyFile, include: Iterable[str] = (),
        exclude: Iterable[str] = (), kinds: Iterable[str | Kind] = (), force: bool = False,
        access: Access | None = None) -> Unpacked""",
    "unpack": """(verified: Verified, destination: str | Path, *, include: Iterable[str] = (), exclude: Iterable[str] = (),
        kinds: Iterable[str | Kind] = (), force: bool = False, access: Access | None = None) -> Unpacked""",
    "sign": """(reference: str, signer: Signer, *, formats: Sequence[SignatureFormat | str] | None = None,
        annotations: Mapping[str, str] | None = None, files: Mapping[str, Digest] | None = None,
        certificates: bytes = b'', expiry: datetime | None = None, local: LayoutStore | None = None,
        access: Access | None = None) -> Signed""",
    "verify": """(reference: str, *, policy: Policy | PolicyFile, local: LayoutStore | None = None,
        access: Access | None = None) -> Verified""",
    "fetch": """(reference: str, into: LayoutStore, *, policy: Policy | PolicyFile | None = None, attachments: bool = True,
        access: Access | None = None) -> Copied""",
    "copy": """(source: str, target: str, *, policy: Policy | PolicyFile | None = None, attachments: bool = True,
        access: Access | None = None) -> Copied""",
    "diff": """(before: str, after: str, *, policy: Policy | PolicyFile | None = None, attached: bool = True,
        local: LayoutStore | None = None, access: Access | None = None) -> Difference""",
    "inspect": """(reference: str, *, local: LayoutStore | None = None, tensors: bool = False,
        access: Access | None = None) -> tuple[Inspection, str]""",
}


def test_names() -> None:
    assert sorted(modelpack.__all__) == sorted(NAMES.split())
    assert len(modelpack.__all__) <= 70
    assert [name for name in modelpack.__all__ if not hasattr(modelpack, name)] == []


def test_names_are_loaded_when_they_are_asked_for() -> None:
    program = """if True:
        import sys, modelpack
        assert not [name for name in sys.modules if name.startswith("modelpack.")]
        assert set(modelpack.__all__) <= set(dir(modelpack))
        modelpack.pull
        loaded = {name.split(".")[1] for name in sys.modules if name.startswith("modelpack.")}
        assert not loaded & {"attest", "scan", "pack", "serve", "stage"}, loaded
        import modelpack.attest, modelpack.pack, modelpack.unpack
        assert all(callable(verb) for verb in (modelpack.attest, modelpack.pack, modelpack.unpack))
        assert not hasattr(modelpack, "nothing")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str) -> None:
    signature = inspect.signature(getattr(modelpack, name))
    assert str(signature).replace("'", "") == " ".join(SIGNATURES[name].split()).replace("'", "")


def test_everything_public_is_documented() -> None:
    for name in set(modelpack.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(modelpack, name)), name
    assert "modelpack.push(packed" in (modelpack.__doc__ or "")


def test_all_errors_have_one_root() -> None:
    errors = [value for value in vars(modelpack).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(errors) == 11
    assert all(issubclass(error, modelpack.ModelPackError) for error in errors)
