"""Which repositories, which tags, and what these lead to now: one request for a list, one for each tag, no content."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from modelpack.audit.running.crew import stream
from modelpack.audit.running.targets import Kind, Places, Target, repositories
from modelpack.errors import AccessDenied, InvalidDigest, ModelPackError, NotFound
from modelpack.oci import Descriptor, Digest, Reference
from modelpack.oci.reference import attached_to
from modelpack.store import LayoutStore, Listing, Registry, RegistryStore, Store


@dataclass(frozen=True, slots=True)
class Place:
    """A repository or a layout. ``complete`` says that all its tags are asked for; ``tags`` are those that are, if not all.

    ``known`` says that this run has listed it before it was cut off.
    """

    name: str
    store: Store | None
    complete: bool = True
    tags: tuple[str, ...] = ()
    known: bool = False
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A place with what its tags lead to. ``untagged`` are manifests that a layout lists without a name.

    ``errors`` are tags that could not be resolved, with the reason.
    """

    place: Place
    tags: Mapping[str, Descriptor] = field(default_factory=dict)
    untagged: tuple[Descriptor, ...] = ()
    errors: Mapping[str, Exception] = field(default_factory=dict)

    def attached(self) -> dict[Digest, dict[str, Digest]]:
        """For each manifest the tags that are attached to it."""
        found: defaultdict[Digest, dict[str, Digest]] = defaultdict(dict)
        for tag, descriptor in self.tags.items():
            if (subject := attached_to(tag)) is not None:
                found[subject][tag] = descriptor.digest
        return found

    def by_digest(self) -> dict[Descriptor, list[str]]:
        """Each manifest with the tags that lead to it, in the order of the tags."""
        found: dict[Digest, tuple[Descriptor, list[str]]] = {}
        for tag, descriptor in sorted(self.tags.items()):
            found.setdefault(descriptor.digest, (descriptor, []))[1].append(tag)
        for descriptor in self.untagged:
            found.setdefault(descriptor.digest, (descriptor, []))
        return dict(found.values())


class Survey:
    """Lists targets. A registry is opened once for each host and closed with the survey; ``is_listed`` says what need not be
    asked.
    """

    def __init__(self, places: Places, jobs: int, is_listed: Callable[[str], bool]) -> None:
        self._places = places
        self._jobs = jobs
        self._is_listed = is_listed
        self._registries: dict[str, Registry] = {}
        self._seen: set[str] = set()
        self.catalogs: list[tuple[str, str]] = []
        """Host and prefix of what was listed completely, so that repositories that are not among them are gone."""

    def __enter__(self) -> Self:
        """The survey itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close connections."""
        for registry in self._registries.values():
            registry.close()

    @property
    def requests(self) -> int:
        """HTTP requests so far."""
        return sum(registry.client.requests for registry in self._registries.values())

    def store(self, place: str) -> Store:
        """The store of a place that was listed."""
        if place.startswith("oci:"):
            return self._places.open(place)
        host, _, repository = place.partition("/")
        return self._store(host, repository)

    def has_seen(self, place: str) -> bool:
        """Whether a repository is among those that were listed, or were to be."""
        return place in self._seen

    def places(self, targets: tuple[Target, ...]) -> Iterator[Place]:
        """The places of all targets, each once; but one that is asked for several tags comes with each of them."""
        for target in targets:
            try:
                for place in self._of(target):
                    if place.name not in self._seen:
                        if not place.tags:
                            self._seen.add(place.name)
                        yield place
            except ModelPackError as error:
                yield Place(target.text, None, error=error)

    def listed(self, places: Iterator[Place]) -> Iterator[Listed]:
        """What their tags lead to. Repositories side by side, and the tags of a large one too."""
        for place, tags, error in stream(self._list, places, self._jobs):
            if error is not None:
                yield Listed(Place(place.name, place.store, place.complete, place.tags, error=error))
            elif place.known:
                yield Listed(place)
            else:
                yield self._resolved(place, tags)

    def _of(self, target: Target) -> Iterator[Place]:
        where = target.reference
        if where is not None and where.layout:
            store = self._places.open(where)
            names = (str(where.digest or where.tag),) if target.kind is Kind.ARTIFACT else ()
            yield self._place(f"oci:{where.layout}", store, names)
        elif target.kind is Kind.ARTIFACT and where is not None:
            yield self._place(where.place, self._store(where.registry, where.repository), (where.name,))
        elif target.kind in (Kind.REGISTRY, Kind.NAMESPACE):
            yield from self._catalog(target)
        elif where is not None:
            yield from self._either(target, where)

    def _either(self, target: Target, where: Reference) -> Iterator[Place]:
        """A repository if there is one of that name; else what the registry lists below it."""
        place = self._place(where.place, self._store(where.registry, where.repository), ())
        if place.known:
            yield place
            return
        _, tags, error = self._list(place)
        if not isinstance(error, NotFound | AccessDenied) and (tags or error is not None):
            yield place
            return
        found = False
        try:
            for one in self._catalog(target):
                found = True
                yield one
        except ModelPackError:
            pass
        if not found:
            yield Place(place.name, place.store, error=error or NotFound(f"{place.name} has no tags"))

    def _catalog(self, target: Target) -> Iterator[Place]:
        for name in repositories(self._registry(target.host), target):
            yield self._place(f"{target.host}/{name}", self._store(target.host, name), ())
        self.catalogs.append((target.host, target.prefix))

    def _place(self, name: str, store: Store, tags: tuple[str, ...]) -> Place:
        known = not tags and isinstance(store, RegistryStore) and self._is_listed(name)
        return Place(name, store, not tags, tags, known=known)

    def _store(self, host: str, repository: str) -> Store:
        return RegistryStore(self._registry(host), repository)

    def _registry(self, host: str) -> Registry:
        if host not in self._registries:
            self._registries[host] = self._places.registry(host)
        return self._registries[host]

    def _list(self, place: Place) -> tuple[Place, tuple[str, ...], Exception | None]:
        if place.error is not None or place.known or place.tags:
            return place, place.tags, place.error
        try:
            assert isinstance(place.store, Listing)  # noqa: S101  # registries and layouts are
            return place, place.store.tags(), None
        except ModelPackError as error:
            return place, (), error

    def _resolved(self, place: Place, tags: tuple[str, ...]) -> Listed:
        store = place.store
        assert store is not None  # noqa: S101  # there was no error
        found: dict[str, Descriptor] = {}
        errors: dict[str, Exception] = {}
        untagged: list[Descriptor] = []
        for tag, outcome in stream(
            lambda tag: (tag, leads_to(store, tag)), iter(tags), min(self._jobs, len(tags) or 1)
        ):
            if isinstance(outcome, Descriptor) and _is_digest(tag):
                untagged.append(outcome)
            elif isinstance(outcome, Descriptor):
                found[tag] = outcome
            elif place.tags or not isinstance(outcome, NotFound):  # one that was removed meanwhile is just not there
                errors[tag] = outcome
        if isinstance(store, LayoutStore) and place.complete:
            untagged += store.listed()
        return Listed(place, found, tuple(untagged), errors)


def _is_digest(name: str) -> bool:
    try:
        return bool(Digest.parse(name))
    except InvalidDigest:
        return False


def leads_to(store: Store, name: str) -> Descriptor | ModelPackError:
    """What a tag or digest leads to; read only where the registry does not say it otherwise."""
    try:
        if isinstance(store, RegistryStore):
            return store.look_up(name) or store.resolve_here(name)
        return store.resolve(name)
    except ModelPackError as error:
        return error


class Apis:
    """Which hosts list referrers: asked once for each."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._known: dict[str, bool] = {}

    def has(self, host: str, ask: Callable[[], bool]) -> bool:
        """Whether a host does. Raises what ``ask`` raises, and then it is asked again."""
        with self._locks[host]:
            if host not in self._known:
                self._known[host] = ask()
            return self._known[host]
