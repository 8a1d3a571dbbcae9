"""A first checklist with prompts and tasks, written from what is found on this machine."""
