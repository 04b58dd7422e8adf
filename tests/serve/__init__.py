"""The team server: users, quotas, usage, and the real processes."""
