-- an error without a place of its own still gets one
error("somewhere", 0)
