"""The engine's HTTP interface: a request's body to a running request, events to SSE, a private socket."""
