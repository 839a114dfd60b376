"""Segmenters: which pixels of a box belong to its object."""
