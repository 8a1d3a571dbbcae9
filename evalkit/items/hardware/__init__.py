"""Item 3: does it fit the hardware there is?"""
