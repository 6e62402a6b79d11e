"""Plug-in files: Python that flows may ask, read from a folder, held to the rules, and made countable."""

from __future__ import annotations

from agents.plugins.loading import load_plugins

__all__ = ["load_plugins"]
