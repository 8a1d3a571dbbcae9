"""Item 6: is the context long enough?"""
