"""Benchmarks: the worker beside a stock Faust agent on the same log, and the core alone. Run `python -m benchmarks`."""
