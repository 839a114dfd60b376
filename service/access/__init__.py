"""Who may use the service: keys, their scopes and limits, and where it may listen without any."""
