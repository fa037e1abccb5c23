"""Carriers of notices: by mail, and as files."""
