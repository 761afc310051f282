"""Three questions beyond the paper: a rent for users, the price of anarchy, better beliefs."""
