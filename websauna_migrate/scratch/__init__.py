"""Where scripts can do no harm: empty databases in a temporary file or on a throw-away server."""
