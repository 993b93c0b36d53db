"""What Alembic does not compare or write of columns: what computes, numbers, converts and fills them."""
