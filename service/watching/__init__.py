"""Whether a running service can still do its work: a canary that tries it, and a watchdog that ends what cannot."""
