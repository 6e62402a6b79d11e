"""The demo: a sample shop's day and the year after it, played through the real pipeline, and its story."""
