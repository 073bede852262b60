"""The world in which the laws of a sync are tested: a provider that changes, workers that die, and what must hold."""
