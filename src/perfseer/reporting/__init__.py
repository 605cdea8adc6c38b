"""What people read: units, tables, figures, judgements, the Markdown report and its HTML twin."""
