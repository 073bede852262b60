"""Two weeks in the life of scripted providers: what they serve, what is true, and a daemon that lives through it."""
