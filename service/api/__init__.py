"""HTTP: routes, wire schemas, limits, and errors as problem+json."""
