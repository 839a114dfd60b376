"""Encoders: any open_clip model, and the embedded pair."""
