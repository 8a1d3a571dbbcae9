"""Serving: what a server is, which mode it really decodes in, and starting one. Import from the modules."""
