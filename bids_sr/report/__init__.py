"""Pictures, participant page, group page and their templates."""
