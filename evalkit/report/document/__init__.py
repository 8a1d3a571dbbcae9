"""The report as one document: what every format shows."""
