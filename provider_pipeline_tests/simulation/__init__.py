"""Simulates two weeks of scripted providers under a real Dagster daemon."""
