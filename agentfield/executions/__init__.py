"""Executions: what a run of a function is, and what may become of it. Pure."""
