"""What runs: the command line, the processes and the local stack. Imports `streams` and `schemas`."""
