"""What a person reads about a job. Pure."""
