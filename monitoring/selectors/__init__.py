"""Reads of monitoring, by noun."""
