"""Admin pages of models, versions and promotions."""

from portal.registry.admin import models, promotions, versions

__all__ = ["models", "promotions", "versions"]
