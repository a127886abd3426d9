"""A job: forecasts that are made, checked, published, recorded and scored night after night."""
