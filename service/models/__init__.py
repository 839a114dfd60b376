"""Model rows, their weights, and the code that runs them behind two small ports."""
