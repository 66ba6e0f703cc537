"""An SPDX 3 document while it is made: elements with names, and relationships between them."""

from __future__ import annotations

from collections.abc import Iterable

from modelpack.oci import JSON, JSONObject

_CREATION = "_:creation"


class Graph:
    """Elements under one namespace, in the order in which they were added."""

    def __init__(self, namespace: str, made: str) -> None:
        self.names: list[str] = []
        self.nodes: list[JSON] = []
        self._namespace = namespace
        self._made = made
        self._licenses: dict[str, str] = {}
        self._relations = 0

    def name(self, label: str) -> str:
        """The IRI of an element."""
        return f"{self._namespace}#{label}"

    def creation(self, agent: str, tool: str) -> None:
        """Say who made the document, with what, and when."""
        self.nodes.insert(
            0,
            {
                "type": "CreationInfo",
                "@id": _CREATION,
                "specVersion": "3.0.1",
                "created": self._made,
                "createdBy": [agent],
                "createdUsing": [tool],
            },
        )

    def add(self, label: str, kind: str, **members: JSON) -> str:
        """Add an element; members that are empty are left out. Its IRI."""
        name = self.name(label)
        said: JSONObject = {"type": kind, "spdxId": name, "creationInfo": _CREATION}
        self.nodes.append({**said, **{key: value for key, value in members.items() if value not in ("", [])}})
        self.names.append(name)
        return name

    def relate(self, start: str, kind: str, ends: Iterable[str], *, completeness: str = "") -> None:
        """Add a relationship."""
        self._relations += 1
        members: dict[str, JSON] = {"from": start, "relationshipType": kind, "to": [*ends]}
        self.add(f"relationship-{self._relations}", "Relationship", **members, completeness=completeness)

    def license(self, expression: str) -> str:
        """The element of a licence expression, one for each."""
        if expression not in self._licenses:
            label = f"licence-{len(self._licenses)}"
            said: dict[str, JSON] = {"simplelicensing_licenseExpression": expression}
            self._licenses[expression] = self.add(label, "simplelicensing_LicenseExpression", **said)
        return self._licenses[expression]
