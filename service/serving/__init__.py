"""The web server around the application: its beginning and its end."""
