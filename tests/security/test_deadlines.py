"""Deadlines over HTTP, and what a request holds while it is worked on, against models held at a gate."""
