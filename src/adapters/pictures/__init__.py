"""What is done with pixels, in a process of the picture pool: decode, clean, compare."""
