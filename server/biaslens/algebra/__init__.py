"""What can happen to a constant that is added to a tensor: a closed algebra, free of any knowledge of torch."""
