"""Support for scheduled jobs: locks on folders, and orderly stops."""
