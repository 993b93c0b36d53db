"""What the running application sees of its migrations: what is pending, health, the guard and its page."""
