"""The engine's HTTP: JSON to sound requests, events to SSE, a private socket."""
