"""The command line: a thin layer over :class:`tuneoff.Study`. Data goes to stdout, talk to stderr."""

from tuneoff.cli.app import main

__all__ = ["main"]
