"""What is put into the golden captures: one module a detector, each with its `GOLDENS`."""
