"""Fuzzing: targets, seeds and their drivers. `make fuzz`."""
