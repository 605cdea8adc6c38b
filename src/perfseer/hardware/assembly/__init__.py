"""All sources into the tables of the database: names identified, figures chosen, metrics made."""
