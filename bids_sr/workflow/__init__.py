"""nipype nodes and graphs: one node per step, no computation of their own."""
