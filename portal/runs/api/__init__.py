"""Runs, their events and artifacts, and schedules over HTTP."""
