"""A trace of one staging for OpenTelemetry: a span for the whole, and one for each part. The extra ``otel``.

What cannot be sent is dropped by the exporter; staging neither fails nor waits for it longer than a second at its end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from modelpack.stage import Phase

_AT_THE_END = 1.0
"""Seconds to wait for what was not sent yet: SIGTERM leaves no more."""


@contextmanager
def tracing(reference: str) -> Iterator[Phase]:
    """One span for what happens in the block, and what makes those of its parts. Raises InputError (it is not installed)."""
    provider = _provider()
    tracer = provider.get_tracer("modelpack")
    try:
        with tracer.start_as_current_span("stage", attributes={"modelpack.reference": reference}):

            def phase(name: str) -> AbstractContextManager[object]:
                return tracer.start_as_current_span(name)

            yield phase
    finally:
        # The processor's own time limit is not kept, so that a collector that is away would hold a pod up.
        sending = threading.Thread(target=provider.force_flush, daemon=True)
        sending.start()
        sending.join(_AT_THE_END)


@cache
def _provider() -> TracerProvider:
    """Spans go by OTLP over HTTP to where the exporter's own variables say."""
    from modelpack import InputError, __version__

    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        hint = "pip install 'modelpack-toolkit[otel]', or unset OTEL_EXPORTER_OTLP_ENDPOINT"
        raise InputError("traces need the extra otel", hint=hint) from None
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # no lines of its own among ours
    resource = Resource.create({SERVICE_VERSION: __version__})
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "modelpack"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
