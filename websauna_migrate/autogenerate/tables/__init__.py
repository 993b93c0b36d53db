"""Tables that are renamed, dropped, inherited from or partitioned, and their options."""
