"""Which repositories, which tags, and what these lead to now: one request for a list, one for each tag, no content."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

from modelpack.audit.running.crew import stream
from modelpack.audit.running.targets import Kind, Places, Target, repositories
from modelpack.errors import AccessDenied, InvalidDigest, ModelPackError, NotFound
from modelpack.oci import Descriptor, Digest
from modelpack.oci.reference import attached_to
from modelpack.store import LayoutStore, Listing, Registry, RegistryStore, Store

FEW = 32
"""Tags of a repository that one worker asks for; of a larger one all do."""


@dataclass(frozen=True, slots=True)
class Place:
    """A repository or a layout. ``complete`` says that all its tags are asked for; ``tags`` are those that are, if not all.

    ``known`` says that this run has listed it before it was cut off. ``either`` is the target if it may be a namespace instead.
    """

    name: str
    store: Store | None
    complete: bool = True
    tags: tuple[str, ...] = ()
    known: bool = False
    either: Target | None = None
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Tags:
    """A place with its tags: ``leads`` are what they lead to, None if they are so many that this takes several workers."""

    place: Place
    tags: tuple[str, ...] = ()
    leads: tuple[Descriptor | ModelPackError, ...] | None = None
    error: ModelPackError | Exception | None = None


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
        for found in stream(self._list, places, self._jobs):
            place = found.place
            nothing = not found.tags and isinstance(found.error, NotFound | AccessDenied | None)
            if place.known:
                yield Listed(place)
            elif place.either is not None and nothing:
                yield from self._below(place, place.either, found.error)
            elif found.error is not None:
                yield Listed(replace(place, error=found.error))
            else:
                yield self._resolved(found)

    def _below(self, place: Place, target: Target, error: Exception | None) -> Iterator[Listed]:
        """It is no repository; then it may be a namespace."""
        below: list[str] = []
        yield from self.listed(self._fresh(target, below))
        if not below:
            yield Listed(replace(place, error=error or NotFound(f"{place.name} has no tags")))

    def _fresh(self, target: Target, told: list[str]) -> Iterator[Place]:
        """What is below, as far as it was not seen; a list that breaks off is told at its end."""
        try:
            for place in self._catalog(target):
                told.append(place.name)
                if place.name not in self._seen:
                    self._seen.add(place.name)
                    yield place
        except ModelPackError as error:
            if told:
                yield Place(target.text, None, error=error)

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
            store = self._store(where.registry, where.repository)
            yield replace(self._place(where.place, store, ()), either=target)

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

    def _list(self, place: Place) -> Tags:
        """Runs in a worker: a list, and where its tags lead, one after the other if they are few."""
        if place.error is not None or place.known:
            return Tags(place, error=place.error)
        store = place.store
        try:
            assert isinstance(store, Store)  # noqa: S101  # there was no error
            tags = place.tags or (store.tags() if isinstance(store, Listing) else ())
        except ModelPackError as error:
            return Tags(place, error=error)
        if len(tags) > FEW:
            return Tags(place, tags)
        return Tags(place, tags, tuple(leads_to(store, tag) for tag in tags))

    def _resolved(self, listed: Tags) -> Listed:
        place, store = listed.place, listed.place.store
        assert store is not None  # noqa: S101  # there was no error
        found: dict[str, Descriptor] = {}
        errors: dict[str, Exception] = {}
        untagged: list[Descriptor] = []
        leads = listed.leads or stream(lambda tag: leads_to(store, tag), listed.tags, self._jobs)
        for tag, outcome in zip(listed.tags, leads, strict=True):
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
