"""What a run has to do: which files stay, which layers are fetched. Decides; touches nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from modelpack.errors import DocumentError
from modelpack.oci import Digest, Manifest, ModelConfig
from modelpack.unpack.destination import Marker, Part, Placed, Survey
from modelpack.unpack.layers import LayerEntry
from modelpack.unpack.selection import Selection, Sieve
from modelpack.unpack.tree import Kept


class Plan:
    """``kept`` files by path, and the ``fetch`` list: layers in the order of the manifest.

    ``archives`` is what the marker may say of archive layers afterwards.
    """

    def __init__(self, marker: Marker, survey: Survey, selection: Selection, sieve: Sieve) -> None:
        self.kept: dict[str, Kept] = {}
        self.fetch: list[LayerEntry] = []
        self.archives: set[Part] = set()
        self._marker = marker
        self._survey = survey
        self._selection = selection
        self._sieve = sieve
        self._by_digest = {placed.digest: placed for placed in survey.ours.values()}
        self._by_layer: defaultdict[Digest, list[Placed]] = defaultdict(list)
        for placed in marker.files.values():
            self._by_layer[placed.layer].append(placed)

    def add(self, entries: Iterable[LayerEntry]) -> None:
        """Decide layer by layer. Every name that is known by then has gone through the sieve after this."""
        for entry in entries:
            if not self._selection.wants_kind(entry.kind):
                continue
            if entry.is_file:
                if self._sieve.wants(entry.path):
                    self._add_file(entry)
            elif not entry.single or self._sieve.wants(entry.path):
                self._add_archive(entry)

    @property
    def paths(self) -> set[str]:
        """The files that are known to come; archives may bring more."""
        return {*self.kept, *(entry.path for entry in self.fetch if entry.is_file)}

    @property
    def is_known(self) -> bool:
        """Whether no archive can bring up names that are not known yet."""
        return all(entry.is_file for entry in self.fetch)

    @property
    def adds_nothing(self) -> bool:
        """Whether the folder has all of it, each file in its place."""
        in_place = all(kept.old.path == path for path, kept in self.kept.items())
        return not self.fetch and in_place and self.archives <= self._marker.archives

    def _add_file(self, entry: LayerEntry) -> None:
        digest = entry.descriptor.digest
        old = self._survey.ours.get(entry.path)
        if old is None or old.digest != digest:
            old = self._by_digest.get(digest)
        if old is None:
            self.fetch.append(entry)
        else:
            self.kept[entry.path] = Kept(old, entry.path, digest, entry.executable)

    def _add_archive(self, entry: LayerEntry) -> None:
        """An archive's files stay if this part of it (or all of it) was taken before and none was touched since."""
        layer = entry.descriptor.digest
        part = next((part for part in self._parts(layer) if part in self._marker.archives), None)
        chosen = [file for file in self._by_layer[layer] if self._sieve.wants(file.path)] if part else []
        if part and all(self._survey.ours.get(file.path) == file for file in chosen):
            self.archives.add(part)
            self.kept.update({file.path: Kept(file, file.path, layer) for file in chosen})
        else:
            self.archives.add(self._parts(layer)[1])
            self.fetch.append(entry)

    def _parts(self, layer: Digest) -> tuple[Part, Part]:
        return (layer, (), ()), (layer, self._selection.include, self._selection.exclude)


def diff_ids(manifest: Manifest, config: ModelConfig | None) -> dict[Digest, Digest]:
    """Digests of the uncompressed layers by layer digest; empty if the config says none. Raises DocumentError."""
    if config is None or not config.diff_ids:
        return {}
    if len(config.diff_ids) != len(manifest.layers):
        reason = f"{len(config.diff_ids)} entries for {len(manifest.layers)} layers"
        raise DocumentError("config", "modelfs.diffIds", reason)
    return {layer.digest: diff_id for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True)}
