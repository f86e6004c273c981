"""Addresses that join several apps."""
