"""Item 5: what does a mode lose on your tasks?"""
