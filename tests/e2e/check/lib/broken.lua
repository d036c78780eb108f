-- does not compile
local x = )
