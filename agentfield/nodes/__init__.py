"""Nodes: the agent services, what they offer, and their workers. Pure."""
