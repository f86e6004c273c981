from search.lab.admin import campaigns

__all__ = ["campaigns"]
