"""How revisions and tables are drawn: in the terminal, as SVG, and for other programs that draw."""
