"""The history and the database disagree: find out why, and take a database over."""
