"""Fuzzing of the loader and the compiler of flow files: `make fuzz`. A part of it is in the unit tests."""

from __future__ import annotations
