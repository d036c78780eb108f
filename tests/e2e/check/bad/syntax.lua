local t = = 1
