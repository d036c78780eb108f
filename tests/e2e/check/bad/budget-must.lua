local bo, t, orders, db = require "base"()
t:budget 'must errors.ratio >= 50% withn 2s of fault'
