"""Whose is it: registered packages, the owner of each table, and the histories that hold their revisions."""
