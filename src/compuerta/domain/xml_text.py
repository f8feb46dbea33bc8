"""XML as text: elements of a document that others read, escaped, and the same bytes every time.

Only what documents need: no prefixes are resolved, nothing is parsed. What people have typed may hold signs
that no XML document can have: they are left out, and so are line breaks.
"""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

# XML 1.0, 2.2: no other control characters, no halves of a pair, and two that are no characters.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NOTHING: Mapping[str, str] = {}


def plain(text: str, *, chars_max: int | None = None) -> str:
    """Return text as one line that an XML document can have, cut where it is too long."""
    line = " ".join(_FORBIDDEN.sub("", text).split())
    return line[:chars_max].rstrip()


def leaf(name: str, text: str, attributes: Mapping[str, str] = _NOTHING) -> str:
    """Return an element with text; nothing where there is none, since an empty element says nothing."""
    line = plain(text)
    if not line:
        return ""
    named = "".join(f" {key}={quoteattr(plain(value))}" for key, value in attributes.items())
    return f"<{name}{named}>{escape(line)}</{name}>"


def branch(name: str, *parts: str, attributes: Mapping[str, str] = _NOTHING) -> str:
    """Return an element with elements; nothing where it has none."""
    inner = "".join(parts)
    if not inner:
        return ""
    named = "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{named}>{inner}</{name}>"


def document(root: str) -> bytes:
    """Return the bytes of a document with this root."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'.encode()
