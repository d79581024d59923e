"""corn-paste: applications and settings from PasteDeploy ini files."""

__version__ = "0.1.0"
