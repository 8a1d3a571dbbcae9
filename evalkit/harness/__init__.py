"""Results of other evaluation harnesses: readers of their files, and runners of the tools themselves."""
