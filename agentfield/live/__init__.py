"""The running side of sessions: one supervised task group for each, from start to last word."""
