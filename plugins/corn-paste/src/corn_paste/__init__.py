"""corn-paste: applications and settings from PasteDeploy's ini files."""

__version__ = "0.1.0"
