"""What an id, a grader or a term means: one text for `evalkit explain` and for the pages."""
