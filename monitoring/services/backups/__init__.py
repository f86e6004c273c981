"""Backups of everything, their restoration, and the drill that proves it."""

from monitoring.services.backups.drilling import drill
from monitoring.services.backups.making import make, remove_old
from monitoring.services.backups.restoring import restore
from monitoring.services.backups.vault import opened

__all__ = ["drill", "make", "opened", "remove_old", "restore"]
