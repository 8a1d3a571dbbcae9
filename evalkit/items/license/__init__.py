"""Item 1: may we use this exact variant as we intend?"""
