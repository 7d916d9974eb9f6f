"""What torch does: one row for each layer and operation, all spellings."""
