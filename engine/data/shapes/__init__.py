"""The shapes a record can have, one file a family, and how each becomes messages."""
