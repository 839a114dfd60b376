"""The pure part: boxes, views, prompts, scoring and fusion, on numpy arrays alone."""
