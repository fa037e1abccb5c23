"""Takers of money: Stripe, and a sandbox of our own."""
