"""What the service costs beside its bare models: limits, load over HTTP, cost curves, peers, bars."""
