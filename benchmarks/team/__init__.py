"""Load on a team's servers: simulated typists with one or several replicas, and a simulator for many more."""
