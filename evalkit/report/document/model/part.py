"""How every part of a document is read: what the document is read by holds for the parts in it."""

from __future__ import annotations

from pydantic import ConfigDict

#: the text under a field is its description in the schema; a field of a later evalkit is kept
PART = ConfigDict(use_attribute_docstrings=True, extra="allow")
