"""The checklist file: schema, strict loading, shipped checklists."""
