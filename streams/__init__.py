"""What is decided: the pure core. No clock, no chance, no environment, no logging, no I/O; it imports only schemas."""
