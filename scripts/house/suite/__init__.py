"""`scripts/test`: the whole suite, part by part."""
