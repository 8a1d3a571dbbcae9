"""Item 4: does the server decode as it says?"""
