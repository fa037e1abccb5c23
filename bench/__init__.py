"""The speed promises, measured: `make bench`. Ratios of one run count; a figure alone says more about the machine."""
