"""The process that draws."""

import sys

from tuneoff.drawing.artist import serve

serve(sys.stdin.buffer, sys.stdout.buffer)
