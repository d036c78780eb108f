coroutine.wrap(function() end)
