"""Load on a team's servers: simulated typists against one or several replicas, and a simulator for many more."""
