"""Stateful tests of the sync: a provider that changes, workers that crash, and the invariants."""
