"""Code that a model wrote, run apart from the tests that judge it and, where the system can, in a sandbox."""
