"""The pages of the agenda: what comes, by month, each asked as software with the person's grant would ask."""
