"""Dead letters as an operator sees them: found, looked at, replayed, dismissed."""
