"""Studies: one folder each, with its settings, fitting, conclusions, figures, tables, page and verbs."""
