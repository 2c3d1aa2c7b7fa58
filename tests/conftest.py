"""Where all tests begin.

Property tests draw the same examples every time, so that a change is judged by itself; ``make test-all`` draws others.
"""

import signal

from hypothesis import settings

settings.register_profile("steady", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("steady")

# Started in the background by a script, a process ignores Ctrl-C, and so do all that it starts; tests send theirs one.
signal.signal(signal.SIGINT, signal.default_int_handler)
