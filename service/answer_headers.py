"""What browsers are told about every answer, also about those that the application never sees."""

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
UNLESS_SAID = {"Content-Security-Policy": API_POLICY, "Cache-Control": "no-store"}
