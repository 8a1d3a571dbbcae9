"""A run that was kept: open, verify, pack, redact, regrade, gate, live and compare."""
