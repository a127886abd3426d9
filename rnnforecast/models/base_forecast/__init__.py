"""Base forecasts that the network adds a residual to: a linear map or Theta."""
