"""Admin pages of people, keys, the audit log and alerts; the bases every app's admin stands on."""

from portal.core.admin import api_keys, notices, people, records

__all__ = ["api_keys", "notices", "people", "records"]
