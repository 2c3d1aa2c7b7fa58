"""What makes the documentation: tables from the code, and the site."""
