require "../../../../etc/passwd"
