"""``af session talk``: a call from the command line. It needs the extra ``talk``."""
