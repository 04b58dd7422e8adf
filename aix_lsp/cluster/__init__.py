"""A team's server on Ray Serve: replicas on one machine or many, routing by document, autoscaling. Needs Ray."""
