"""The ablation report: the paper's claims one by one, then every variant, from records."""
