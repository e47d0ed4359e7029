"""A bucket's list of objects: its address and pages, which objects are wanted, and how they are written. Pure."""
