"""How a plan is carried out: through each package's ``env.py``, under the lock, on one connection."""
