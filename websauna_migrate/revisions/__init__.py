"""What follows what: from the text of revision scripts and the rows of history tables to a plan, pure values."""
