"""What of a source is personal: names, types, and a sample of values of which only counts come back."""
