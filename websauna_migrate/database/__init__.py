"""Where it is stored: connections, the lock of a run, history tables, client programs, dumps and DDL."""
