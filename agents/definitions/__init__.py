"""Definitions: every version of every flow that was published, and the activations that say which of them decide."""
