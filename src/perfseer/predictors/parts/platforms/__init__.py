"""What SeerNet-X is made of: examples of any platform, and what learns from them."""
