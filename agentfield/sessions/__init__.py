"""Sessions: what a realtime conversation is, who speaks in it, and what may become of it. Pure."""
