"""An independent reading of what flows mean: slow, plain, and shared with nothing that it judges."""
