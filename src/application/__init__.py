"""What the service does: one use case per thing a caller can do, and the ports through which it reaches the outside."""
