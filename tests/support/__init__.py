"""Builders and servers that several test modules use."""
