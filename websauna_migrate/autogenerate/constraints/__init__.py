"""Keys, unique and CHECK constraints, and the indexes of keys: what differs, and an order in which they change."""
