"""Configuration: from what people write in files, flags and editors to the options of one file."""
