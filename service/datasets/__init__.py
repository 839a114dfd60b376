"""Registered class lists: what they are, where they are kept, and their prototypes."""
