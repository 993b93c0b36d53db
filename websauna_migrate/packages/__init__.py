"""Registered packages, the owner of each table, and the histories that hold their revisions."""
