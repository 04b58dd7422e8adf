"""The engine's HTTP interface: JSON to validated requests, events to SSE, a private socket."""
