"""The engine for a team: named users, quotas, usage, restarts that lose no request."""
