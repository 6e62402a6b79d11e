"""What is said: the shapes of everything that crosses a topic, a file or a process boundary."""
