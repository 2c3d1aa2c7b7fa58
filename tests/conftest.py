"""Property tests draw the same examples every time, so that a change is judged by itself; ``make test-all`` draws others."""

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("steady")
