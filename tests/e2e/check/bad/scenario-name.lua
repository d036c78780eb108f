local bo = require "brownout"
bo.scenario "a/b" { }
