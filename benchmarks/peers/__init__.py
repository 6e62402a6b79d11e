"""The peers: programs that do the worker's job in other ways, and the machinery that builds, starts and judges them."""
