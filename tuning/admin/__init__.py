"""Pages of tuning."""

from tuning.admin.studies import StudyAdmin

__all__ = ["StudyAdmin"]
