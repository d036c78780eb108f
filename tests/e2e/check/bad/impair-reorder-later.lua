local bo, t, orders, db = require "base"()
local link = t:link(orders, db)
t:during("fault", link:delay "50ms", { after = "2s" })
t:during("fault", link:reorder "25%")
