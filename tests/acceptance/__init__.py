"""The figures that are promised, measured as they are written: `make acceptance`."""
