"""Recurrent networks, one a file: its name is a value of ``model.backbone``; see `models.base`."""
