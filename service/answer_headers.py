"""What is told with every answer, also with those that the application never sees."""

API_POLICY = "default-src 'none'; frame-ancestors 'none'"
API_VERSION = "1"  # a further one begins where what was right for clients of the last is so no longer
VERSION_HEADER = "X-API-Version"
ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", VERSION_HEADER: API_VERSION}
UNLESS_SAID = {"Content-Security-Policy": API_POLICY, "Cache-Control": "no-store"}
