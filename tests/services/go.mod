module brownout.example/services

go 1.19
