"""Geometry of the small pictures on the pages: numbers in, coordinates out."""
