"""The small Korean encoder behind ``sample:ko``."""
