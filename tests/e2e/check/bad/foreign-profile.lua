local bo, t, orders, db = require "base"()
t:during("fault", t:link(t.client, orders):profile "4G")
