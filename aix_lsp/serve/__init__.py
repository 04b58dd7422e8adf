"""The engine for a team: named users, quotas, usage, restarts without a lost request."""
