"""Writing rules from samples: one module for each decision, and `generator.py`, which puts them together."""
