"""What breaks running code, and its own revision: the expand and the contract side of one comparison."""
