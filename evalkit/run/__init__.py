"""The run: plan, collection, the run folder, and what was collected."""
