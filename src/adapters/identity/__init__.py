"""Providers that people sign in with."""
