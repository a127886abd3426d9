"""Steps that several commands share: load a spec, prepare data, forecast, run folders."""
