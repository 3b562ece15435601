"""Traces of runs and steps, for a collector that speaks OpenTelemetry's protocol."""
