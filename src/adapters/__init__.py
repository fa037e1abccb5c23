"""What the outside is made of: one module or folder per technology, none knowing another."""
