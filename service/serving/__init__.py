"""The web server around the application: its beginning and its end, and what a stranger may do to a connection."""
