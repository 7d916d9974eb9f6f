"""From text to Python's own syntax trees, and from module names to files."""
