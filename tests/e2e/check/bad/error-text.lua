error "this machine is too old"
