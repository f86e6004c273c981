"""The process that carries messages out: it alone talks to the outside world.

It reads one order a line from its input, carries several out at once and writes one report a line.
Every name it looks up is checked (:mod:`monitoring.courier.guard`), it follows no redirect, and it
can be killed when a receiver holds it up. It knows no Django and no database.
"""
