"""Prompts and task suites in other formats, read into evalkit's own. Nothing that a file contains is executed."""
