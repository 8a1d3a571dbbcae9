"""Settings of all tests."""

import os

from hypothesis import settings

# a machine under load takes its time: no example fails for that
settings.register_profile("evalkit", deadline=None)
# each mutant of the code meets the same few examples
settings.register_profile("mutants", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "evalkit"))
