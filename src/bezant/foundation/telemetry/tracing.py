"""OpenTelemetry traces through HTTP and Kafka, in W3C and AWS X-Ray form.

Spans go to an OTLP collector when one is set, or to a file of JSON lines on a laptop. Sampling is decided where
a trace begins and kept by everyone after (`traceparent` in HTTP headers, in internal calls and in events).
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from opentelemetry import propagate, trace
from opentelemetry.propagators.aws import AwsXRayPropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from bezant.foundation.settings import Settings


class JsonLinesExporter(SpanExporter):
    """Writes each span as one line of JSON to a file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", buffering=1)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans."""
        for span in spans:
            self._file.write(span.to_json(indent=None) + "\n")
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        self._file.close()


def configure_tracing(settings: Settings, service: str) -> TracerProvider:
    """Install the tracer provider and the propagators of this process; the caller shuts the provider down."""
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.trace_sample_ratio)),
        resource=Resource.create(
            {
                "service.name": f"bezant-{service}",
                "service.instance.id": settings.instance_id,
                "service.version": settings.version,
                "cloud.availability_zone": settings.zone,
            }
        ),
    )
    if settings.otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
    elif settings.trace_file:
        provider.add_span_processor(BatchSpanProcessor(JsonLinesExporter(Path(settings.trace_file))))
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), AwsXRayPropagator()]))
    return provider


@contextmanager
def linked_span(tracer: trace.Tracer, name: str, traceparents: Sequence[str | None]) -> Generator[trace.Span]:
    """Start a span for a batch. It continues the trace of the first sampled item and links to the others."""
    contexts = []
    for traceparent in dict.fromkeys(traceparents):
        if traceparent is not None and traceparent.endswith("-01"):
            contexts.append(TraceContextTextMapPropagator().extract({"traceparent": traceparent}))
    links = [trace.Link(trace.get_current_span(context).get_span_context()) for context in contexts[1:32]]
    with tracer.start_as_current_span(name, context=contexts[0] if contexts else None, links=links) as span:
        yield span
