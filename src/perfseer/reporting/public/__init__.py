"""The report on published results: accuracy on unseen models and devices, and where the error still is."""
