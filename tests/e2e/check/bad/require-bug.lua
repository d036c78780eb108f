require("bug")()
