"""What a recognition is made of: the request's plan, locating, looking, answering."""
