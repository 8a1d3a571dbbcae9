"""`evalkit serve`: a model's own remote code behind an OpenAI-style server. A reference implementation, not a fast one.

Nothing here is imported by the rest of evalkit; torch and transformers are imported when a model is loaded.
"""
