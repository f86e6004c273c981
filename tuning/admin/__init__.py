"""Pages of tuning."""

from tuning.admin.instances import InstanceAdmin
from tuning.admin.studies import StudyAdmin

__all__ = ["InstanceAdmin", "StudyAdmin"]
