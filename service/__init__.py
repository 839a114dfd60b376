"""Zero-shot image recognition over HTTP: localize the object, look at it with and without its context, answer."""

__version__ = "0.1.0"
