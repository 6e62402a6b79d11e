"""Test data: flow files, one synthetic week, and how both clickstreams become lines for `cartwheel replay`."""
