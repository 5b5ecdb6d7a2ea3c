"""Model providers: our events in, their wire out, and back. The only place that names one."""
