"""Benchmarks: figures and ratios of one run, on loopback. `make bench` runs them all."""
