"""The engine's HTTP: JSON to validated requests, events to SSE, a private socket."""
