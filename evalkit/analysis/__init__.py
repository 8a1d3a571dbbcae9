"""Every figure, once: pure functions from facts to numbers. No status, no sentence."""
