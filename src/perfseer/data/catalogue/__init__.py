"""The sourced catalogue of accelerators and CPUs: three tables, how they are read, what must hold of them."""
