"""How networks learn: the loop, losses, PCGrad and seeds (METHODS 1.4)."""
