"""What hardware there is, what it does per watt, dollar and byte, and how sure that is."""
