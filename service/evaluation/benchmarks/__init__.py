"""Published benchmarks, read from their own folder layouts, with the paper's prompts."""
