"""How the world comes in: HTTP, worker, admin commands, and the wiring that joins ports to adapters."""
