-- a file that declares nothing
local answer = 42
