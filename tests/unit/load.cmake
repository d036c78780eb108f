# SPDX-License-Identifier: Apache-2.0
brownout_unit_test(test_load_http1 LIBS load)
brownout_unit_test(test_load_schedule LIBS load)
foreach(name requests failures open_loop hold)
	brownout_unit_test(test_load_${name} LIBS load SOURCES test_load_support.c TIMEOUT 120)
endforeach()
