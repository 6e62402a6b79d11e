"""The workloads beside saturation: latency, timers, recovery and slopes of the worker as it is shipped."""
