"""The report as it is served: the page itself, with the script that refreshes it. The file is left as it is."""

import re
from typing import Final

SCRIPT: Final = b'<script src="live.js" defer></script>'
#: Of everything but the page: nothing is run or loaded.
NOTHING: Final = "default-src 'none'; frame-ancestors 'none'"
#: What the page is allowed beyond its own policy: the script of this server, and to ask it.
_MORE: Final = "connect-src 'self'; frame-ancestors 'none'"
#: Of a page that brings no policy.
_USUAL: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
_POLICY: Final = re.compile(rb'<meta http-equiv="Content-Security-Policy" content="([^"]*)">\n?')


def served(page: bytes) -> tuple[bytes, str]:
    """The page with the script at its end, and the policy to send with it.

    A policy inside the file forbids every connection, and one in a header could not allow it again; so it moves to the header, where
    it is widened by the two things that refreshing needs.
    """
    found = _POLICY.search(page)
    # In one line: a line break would end the header.
    policy = " ".join(found[1].decode("ascii", "ignore").replace("&#39;", "'").split()) if found else _USUAL
    page = _POLICY.sub(b"", page, count=1)
    before, end, after = page.rpartition(b"</body>")
    page = before + SCRIPT + end + after if end else page + SCRIPT
    return page, policy.replace("script-src ", "script-src 'self' ", 1) + f"; {_MORE}"
