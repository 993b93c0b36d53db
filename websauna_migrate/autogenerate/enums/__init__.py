"""Enums: values that come and go, in their place, and what stands in the way."""
