"""Recurrent networks; each file name is a value of ``model.backbone``, see `models.base`."""
