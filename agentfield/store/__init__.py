"""The store: executions, nodes, workers and sessions on disk, durable when it says so."""
