error("first\nsecond")
