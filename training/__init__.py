"""Training: from labelled faces to a checkpoint that carries its contract. Run from the checkout."""
