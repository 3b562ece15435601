"""People who use the data: their tokens, what there is for them, and handing files out to them."""
