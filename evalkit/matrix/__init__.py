"""Many variants, engines and machines: one cell is one run, and no comparison is split over cells."""
