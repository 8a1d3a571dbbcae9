"""Settings of all tests."""

from hypothesis import settings

# a machine under load takes its time: no example fails for that
settings.register_profile("evalkit", deadline=None)
settings.load_profile("evalkit")
