"""What an evaluation found, counted and shown: in the terminal, as files, as a page."""
