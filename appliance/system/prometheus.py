"""Metrics as Prometheus reads them, made by its own client from values that are read once.

Names follow its conventions: base units, ``_total`` for what only grows, moments as ``_timestamp_seconds``.
A value that is not known is left out rather than made up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

Labels = dict[str, str]
Value = float | int | bool | datetime | None
Sample = tuple[Labels, Value]

__all__ = ["CONTENT_TYPE", "Labels", "Metric", "Sample", "Value", "counter", "gauge", "metrics_page"]


def metrics_page(metrics: Iterable[Metric]) -> str:
    """The answer of ``/metrics``: each metric that has a value."""
    registry = CollectorRegistry()
    registry.register(_Once(metrics))
    return generate_latest(registry).decode()


def gauge(name: str, text: str, samples: Iterable[Sample]) -> Metric:
    """What goes up and down."""
    return _filled(GaugeMetricFamily(name, text), name, samples)


def counter(name: str, text: str, samples: Iterable[Sample]) -> Metric:
    """What only grows; ``name`` is without ``_total``, which the format adds."""
    return _filled(CounterMetricFamily(name, text), f"{name}_total", samples)


class _Once(Collector):
    """Metrics that are collected once and thrown away."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)

    def collect(self) -> Iterator[Metric]:
        return (metric for metric in self._metrics if metric.samples)


def _filled(metric: Metric, name: str, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        if value is not None:
            number = value.timestamp() if isinstance(value, datetime) else float(value)
            metric.add_sample(name, labels, number)
    return metric
