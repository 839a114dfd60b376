"""What people use today, around the same weights: a plain handler, LitServe, infinity."""
