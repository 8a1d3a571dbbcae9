"""The six questions, in order. Each module is pure: `decide(checklist, facts, now)`, and lists its `CHECKS`."""
