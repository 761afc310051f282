"""Who decides: screening, menus, selection and the agents of the market."""
