"""AutoML search service."""
