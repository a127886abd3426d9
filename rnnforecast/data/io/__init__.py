"""Reading of files into one long table: encodings, CSV dialects, column roles, number formats."""
