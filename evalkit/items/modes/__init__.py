"""Item 2: which decoding mode meets the latency target?"""
