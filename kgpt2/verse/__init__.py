"""What can be told of classical verse from its characters alone, without models or dependencies."""
