"""HTTP addresses of the routing family."""
