"""From models to a script: compare, pass over the operations, render, and check what was written."""
