"""Foreground-only pictures of a whole collection ("What Happens Without Background?"), with a list for review."""
