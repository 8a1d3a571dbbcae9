"""Golden replay: stored runs are decided and rendered to the same bytes as before.

`python -m tests.golden` writes the expected bytes again, after a change that was meant; the diff shows what changed.
"""
