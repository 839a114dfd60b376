"""Localizers: a salient-object mask (U²-Net-p), text-prompted detectors (GroundingDINO, OWLv2), or none."""
