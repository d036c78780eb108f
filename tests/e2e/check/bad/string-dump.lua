local text = string.dump(function() end)
