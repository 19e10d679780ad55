"""This package trains face-emotion nets into checkpoints that carry their contract. Run it from the checkout."""
