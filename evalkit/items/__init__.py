"""The six questions, in order. Each module is pure: `decide(checklist, facts, now) -> findings`, and lists its `CHECKS`."""
