"""The demo: a sample shop's day, played through the real pipeline, and its story."""
