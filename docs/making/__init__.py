"""Pages that are made of the code when the documentation is built."""
