"""Talks to inference servers for generations: one request in, one `Exchange` with its timeline out."""
