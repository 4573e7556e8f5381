"""Settings of the property tests of the sealed channel."""

from hypothesis import settings

settings.register_profile("acrel", deadline=None)  # no timed assertions
settings.load_profile("acrel")
