"""Traces of staging: with the SDK's own exporters, one in memory and one over the wire."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from modelpack_cli.telemetry import trace

from tests.cli.program import modelpack

WHY = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    clear = trace._provider.cache_clear
    clear()
    yield
    clear()


def test_one_tree_of_spans(reference: str, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason=WHY)
    exporting = pytest.importorskip("opentelemetry.sdk.trace.export", reason=WHY)
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason=WHY)
    exporter, provider = memory.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(exporting.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_provider", lambda: provider)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318")
    modelpack("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify").done()
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["resolve", "verify", "fetch", "publish", "stage"]
    root = spans[-1]
    assert (root.parent, root.attributes["modelpack.reference"]) == (None, reference)
    assert {span.parent.span_id for span in spans[:-1]} == {root.context.span_id}
    assert {span.context.trace_id for span in spans} == {root.context.trace_id}
    exporter.clear()
    modelpack("stage", f"{reference}-none", "--to", tmp_path / "node", "--insecure-skip-verify").failed(5)
    resolve, failed = exporter.get_finished_spans()
    assert (resolve.name, resolve.status.is_ok, failed.status.is_ok) == ("resolve", False, False)


def test_over_the_wire(reference: str, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason=WHY)
    protocol = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason=WHY)
    got: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/v1/traces":
                got.append(protocol.ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        modelpack("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify").done()
        trace._provider().shutdown()
        server.shutdown()
        thread.join(5)
    resources = [resource for request in got for resource in request.resource_spans]
    names = {span.name for resource in resources for scope in resource.scope_spans for span in scope.spans}
    assert names == {"stage", "resolve", "verify", "fetch", "publish"}
    attributes = {item.key: item.value.string_value for item in resources[0].resource.attributes}
    assert attributes["service.name"] == "modelpack"


def test_nothing_is_loaded_without_the_variable(
    reference: str, pushed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # to import it is an error now
    options = ("stage", reference, "--to", tmp_path / "node", "--insecure-skip-verify")
    modelpack(*options).done()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318")
    modelpack(*options).failed(2, "extra otel")
