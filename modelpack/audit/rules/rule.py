"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from modelpack.audit.facts import Artifact, Estate
from modelpack.audit.findings import Severity, Subject
from modelpack.oci import JSONObject

if TYPE_CHECKING:
    from modelpack.audit.policy import Settings


@dataclass(frozen=True, slots=True)
class Hit:
    """What a check found: a sentence without a full stop, where in the subject, and the same for programs.

    ``unchecked`` says that it could not be looked at. ``subject`` is only needed by rules over the whole estate.
    """

    message: str
    place: str = ""
    data: JSONObject = field(default_factory=dict, hash=False)
    unchecked: bool = False
    subject: Subject | None = None


@runtime_checkable
class Rule(Protocol):
    """A rule: an id that never changes its meaning, words for people, and a pure function of what is known.

    ``check`` is asked once for each artifact. A rule that compares artifacts has ``check_estate`` too
    (:class:`EstateRule`), which is asked once at the end. Settings are those of the artifact's scope.
    """

    @property
    def id(self) -> str:
        """``MP`` and three digits for ours; users' own begin with other letters."""
        ...

    @property
    def title(self) -> str:
        """A few words: "no signature"."""
        ...

    @property
    def severity(self) -> Severity:
        """Unless the policy says another one."""
        ...

    @property
    def explanation(self) -> str:
        """Why it matters, in a few sentences."""
        ...

    @property
    def remedy(self) -> str:
        """What to do."""
        ...

    def check(self, artifact: Artifact, settings: Settings) -> Iterable[Hit]:
        """What is wrong with one artifact."""
        ...


@runtime_checkable
class EstateRule(Rule, Protocol):
    """A rule that looks across artifacts."""

    def check_estate(self, estate: Estate, settings: Settings) -> Iterable[Hit]:
        """What is wrong between them; each hit names its subject."""
        ...


Check: TypeAlias = "Callable[[Artifact, Settings], Iterable[Hit]]"
EstateCheck: TypeAlias = "Callable[[Estate, Settings], Iterable[Hit]]"


@dataclass(frozen=True, slots=True)
class ArtifactCheck:
    """A rule made of a function over artifacts."""

    id: str
    title: str
    severity: Severity
    explanation: str
    remedy: str
    function: Check = field(repr=False)

    def check(self, artifact: Artifact, settings: Settings) -> Iterable[Hit]:
        """Ask the function."""
        return self.function(artifact, settings)


@dataclass(frozen=True, slots=True)
class EstateWideCheck:
    """A rule made of a function over all artifacts together."""

    id: str
    title: str
    severity: Severity
    explanation: str
    remedy: str
    function: EstateCheck = field(repr=False)

    def check(self, artifact: Artifact, settings: Settings) -> Iterable[Hit]:  # noqa: ARG002  # it says nothing of one alone
        """Nothing."""
        return ()

    def check_estate(self, estate: Estate, settings: Settings) -> Iterable[Hit]:
        """Ask the function."""
        return self.function(estate, settings)
