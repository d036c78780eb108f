-- fails when called
return function()
  local t
  return t.field
end
