"""What the SQL of pending revisions does to a database that is in use."""
