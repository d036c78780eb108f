local bo, t, orders, db = require "base"()
local link = t:link(orders, db)
t:during("fault", link:impair { corrupt = "1%", delay = "10ms" })
t:during("fault", link:corrupt("2%", { toward = db }))
