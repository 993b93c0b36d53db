"""What the INI says: the application's own file with its includes, as settings and as a plaster loader."""
