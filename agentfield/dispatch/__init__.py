"""Which workers are connected, and how an execution reaches one."""
