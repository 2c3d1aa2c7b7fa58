"""What a study, a model or a text from a stranger cannot do."""
