"""Keeps a trustworthy table of every AI provider's models."""
