"""Sentences, tables and charts of the document."""
