"""Reports as text and as JSON. Pure functions: nothing here prints."""
