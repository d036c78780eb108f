local bo, t, orders, db = require "base"()
local record = t:link(orders, db).record
record(db)
