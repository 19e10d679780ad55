"""Where the pictures and their labels come from."""
