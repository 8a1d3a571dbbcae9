"""report.json as types: its schema is generated from them, and readers are checked against them.

They are typed dictionaries: the document is what is written, read and rendered, and a field that is absent is absent.
A field that is added here appears in the schema and on its page with `make docs`.
"""

from evalkit.report.document.model.report import Report

__all__ = ["Report"]
